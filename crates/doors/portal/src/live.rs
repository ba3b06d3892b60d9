//! The stream behind a live page: the page's own fragment, sent whenever it looks different.

use crate::pages::running;
use crate::session::{self, Visitor};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use http::HeaderMap;
use std::convert::Infallible;
use tow_app::{App, OpCtx};

struct Watch {
    app: App,
    ctx: OpCtx,
    /// Asked about again each time: a withdrawn session sees no more.
    token: String,
    glances: BoxStream<'static, ()>,
    last: String,
}

/// `GET /live`: each message is the fragment of `/`.
pub(crate) async fn stream(
    State(app): State<App>,
    Visitor(ctx): Visitor,
    headers: HeaderMap,
) -> Response {
    let token = session::token(&headers).unwrap_or_default().to_string();
    let glances = app.glances();
    let watch = Watch { app, ctx, token, glances, last: String::new() };
    let messages = stream::unfold(watch, |mut watch| async move {
        loop {
            watch.glances.next().await?;
            if watch.app.authenticate(&watch.token).await.is_err() {
                return None;
            }
            let Ok(fragment) = running::fragment(&watch.app, &watch.ctx).await else {
                continue;
            };
            let fragment = fragment.into_string();
            if fragment != watch.last {
                watch.last.clone_from(&fragment);
                return Some((Ok::<_, Infallible>(Event::default().data(fragment)), watch));
            }
        }
    });
    Sse::new(messages).keep_alive(KeepAlive::new()).into_response()
}
