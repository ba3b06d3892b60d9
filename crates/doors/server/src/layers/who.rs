//! Who asks: a bearer token, or the session in the cookie. What they may is the app's to say.

use crate::answer::Refusal;
use http::{HeaderMap, header};
use tow_api::SESSION_COOKIE;
use tow_app::{App, OpCtx};

/// The request's id, in the request's extensions from [`crate::guard`] on.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Who asks, and by which request.
pub(crate) async fn context(app: &App, parts: &http::request::Parts) -> Result<OpCtx, Refusal> {
    let token = bearer(&parts.headers)?.or_else(|| cookie(&parts.headers)).ok_or_else(|| {
        Refusal::new("access/unauthenticated", "the request does not say who it comes from")
            .hint("send the header Authorization: Bearer TOKEN; `tow token create` makes one")
    })?;
    let actor = app.authenticate(token).await?;
    let request = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    Ok(OpCtx { actor, request })
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let bad = || {
        Refusal::new(
            "access/unauthenticated",
            "the header Authorization is not of the form Bearer TOKEN",
        )
    };
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
