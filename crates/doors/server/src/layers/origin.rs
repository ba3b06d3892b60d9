//! No writes from foreign pages: what a browser sends by itself, its cookie, must not be enough.

use super::{host, safe, who};
use crate::answer::Refusal;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

pub(super) async fn origin(request: Request, next: Next) -> Response {
    // A page of another origin can't send this header.
    let program = request.headers().contains_key(header::AUTHORIZATION);
    // A page may open a WebSocket to anywhere, and the browser sends its cookie along.
    let socket = request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    if (socket || !safe(request.method())) && !program {
        let host = host::said(request.uri(), request.headers()).unwrap_or_default();
        if let Err(refusal) = same_origin(request.headers(), &host) {
            return refusal.into_response();
        }
    }
    next.run(request).await
}

/// A write without a token comes from a browser with our cookie, or from the sign-in page: it must come from our own
/// pages. SameSite is not enough: a workload at `web.localhost` is the same site, since cookies ignore ports.
fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = || {
        Refusal::new(
            "access/foreign-page",
            "the request was made by a page that is not the platform's own",
        )
        .hint("programs send a token: Authorization: Bearer TOKEN")
    };
    let site = text("sec-fetch-site");
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(foreign());
    }
    if let Some(origin) = text("origin") {
        let said = origin.split_once("://").map(|(_, rest)| rest.to_ascii_lowercase());
        return if said.as_deref() == Some(host) { Ok(()) } else { Err(foreign()) };
    }
    if site.is_none() && who::cookie(headers).is_some() { Err(foreign()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn foreign_pages_may_not_write() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            same_origin(&headers, "127.0.0.1:7070").is_ok()
        };
        let cookie = ("cookie", "tow_session=x");
        assert!(check(&[cookie, ("origin", "http://127.0.0.1:7070")]));
        assert!(check(&[cookie, ("sec-fetch-site", "same-origin")]));
        assert!(check(&[]), "a program without cookie or token is refused later, by name");
        assert!(!check(&[cookie]));
        assert!(!check(&[cookie, ("origin", "http://web.localhost:7080")]));
        assert!(!check(&[cookie, ("origin", "null")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(!check(&[
            cookie,
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://127.0.0.1:7070")
        ]));
    }
}
