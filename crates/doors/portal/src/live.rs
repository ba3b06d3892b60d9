//! The stream behind a live page: the page's own fragment, sent whenever it looks different.

use crate::pages::running;
use crate::session::{self, Visitor};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt};
use http::HeaderMap;
use std::convert::Infallible;
use std::time::Duration;
use tow_app::{App, OpCtx};

/// Looked at again at least this often: readiness changes without an event.
const AT_LEAST: Duration = Duration::from_secs(2);
/// After an event, wait for those that come with it.
const TOGETHER: Duration = Duration::from_millis(60);

struct Watch {
    app: App,
    ctx: OpCtx,
    /// Asked about again each time: a withdrawn session sees no more.
    token: String,
    events: BoxStream<'static, tow_record::Event>,
    last: String,
    first: bool,
}

/// `GET /live`: each message is the fragment of `/`.
pub(crate) async fn stream(
    State(app): State<App>,
    Visitor(ctx): Visitor,
    headers: HeaderMap,
) -> Response {
    let token = session::token(&headers).unwrap_or_default().to_string();
    let events = match app.stream_events(&ctx, tow_api::event::list::Query::default()).await {
        Ok(events) => events,
        Err(error) => {
            return (http::StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response();
        }
    };
    let watch = Watch { app, ctx, token, events, last: String::new(), first: true };
    let messages = stream::unfold(watch, |mut watch| async move {
        loop {
            if !std::mem::take(&mut watch.first) {
                match tokio::time::timeout(AT_LEAST, watch.events.next()).await {
                    Ok(None) => return None,
                    Ok(Some(_)) => tokio::time::sleep(TOGETHER).await,
                    Err(_) => {}
                }
            }
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
