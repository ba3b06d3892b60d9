//! Who asks: a bearer token, or the session in the cookie; asked of the app once a request, for API and portal alike. What
//! they may is the app's to say.

use crate::answer::Refusal;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, header};
use std::time::Duration;
use tow_api::SESSION_COOKIE;
use tow_app::{App, AppError, Caller, OpCtx};

/// So often an open stream asks whether its token still holds.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// The token of a request that was taken.
#[derive(Clone)]
pub(crate) struct Holder(String);

/// Notes for those further in: the [`OpCtx`], or the [`AppError`] by which the token was refused; nothing, where there is
/// no token.
pub(super) async fn who(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let found = match bearer(request.headers()) {
        Ok(token) => token.or_else(|| cookie(request.headers())).map(ToString::to_string),
        Err(refused) => {
            request.extensions_mut().insert(refused);
            None
        }
    };
    if let Some(token) = found {
        let id = request.extensions().get::<Caller>().map(|caller| caller.request.clone());
        match app.authenticate(&token).await {
            Ok(actor) => {
                let ctx = OpCtx { actor, request: id.unwrap_or_default() };
                request.extensions_mut().insert(ctx);
                request.extensions_mut().insert(Holder(token));
            }
            Err(refused) => {
                request.extensions_mut().insert(refused);
            }
        }
    }
    next.run(request).await
}

/// Who asks, and by which request; a refusal where nobody does.
pub(crate) fn context(parts: &Parts) -> Result<OpCtx, Refusal> {
    if let Some(ctx) = parts.extensions.get::<OpCtx>() {
        return Ok(ctx.clone());
    }
    if let Some(refused) = parts.extensions.get::<AppError>() {
        return Err(refused.clone().into());
    }
    let why = "the request does not say who it comes from";
    Err(Refusal::new("access/unauthenticated", why)
        .hint("send the header Authorization: Bearer TOKEN; `tow token create` makes one"))
}

/// The request's id, for what needs no token.
pub(crate) fn request(parts: &Parts) -> String {
    parts.extensions.get::<Caller>().map(|caller| caller.request.clone()).unwrap_or_default()
}

/// The stream, until its token is withdrawn or expires, or its holder's rights become others: then it ends, and whoever
/// connects again is judged anew. A store that does not answer ends nothing.
pub(crate) fn while_it_holds<S: Stream + Send + 'static>(
    app: App,
    parts: &Parts,
    stream: S,
) -> impl Stream<Item = S::Item> + Send + 'static {
    let holder = parts.extensions.get::<Holder>().cloned();
    let actor = parts.extensions.get::<OpCtx>().map(|ctx| ctx.actor.clone());
    let gone = async move {
        let (Some(Holder(token)), Some(actor)) = (holder, actor) else { return };
        loop {
            tokio::time::sleep(ASKED_AGAIN).await;
            match app.authenticate(&token).await {
                Ok(now) if now == actor => {}
                Ok(_) => return,
                Err(refused) if refused.is("access/unauthenticated") => return,
                Err(_) => {}
            }
        }
    };
    stream.take_until(gone)
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AppError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let why = "the header Authorization is not of the form Bearer TOKEN";
    let bad = || AppError::new("access/unauthenticated", why);
    let (scheme, token) = value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or_else(bad)?;
    let token = token.trim();
    let ok = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    if ok { Ok(Some(token)) } else { Err(bad()) }
}

/// The session's token, if a cookie carries one.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == SESSION_COOKIE && !value.is_empty())
        .map(|(_, value)| value)
}
