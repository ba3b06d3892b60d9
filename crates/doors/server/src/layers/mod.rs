//! What holds for every request: a name that is ours, no writes from foreign pages, a request id, headers that tell
//! browsers to be careful, one span in the log. Writes problems out.

use crate::ServerConfig;
use crate::access::{RequestId, cookie};
use crate::answer::{ProblemBody, Refusal};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use std::sync::Arc;
use tow_names::Id;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Around everything.
pub(crate) async fn guard(
    State(config): State<Arc<ServerConfig>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    // The portal below reads it here.
    if let Ok(value) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    // The path alone: a query may hold a secret.
    let span = tracing::info_span!(
        "request",
        id = %id,
        method = %request.method(),
        path = %request.uri().path(),
        status = tracing::field::Empty,
    );
    let mut response = match admit(&config, &request) {
        Ok(()) => next.run(request).instrument(span.clone()).await,
        Err(refusal) => refusal.into_response(),
    };
    span.record("status", response.status().as_u16());
    span.in_scope(|| tracing::debug!("answered"));
    write_problem(&mut response, &id);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in CAREFUL {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// `same-origin` and not `no-referrer`: with the latter browsers send `Origin: null` with our own forms.
const CAREFUL: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The caller's own, where it is a short plain word; else a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.len() <= 64)
        .and_then(Id::parse)
        .unwrap_or_else(|| Id::fresh("req"))
        .to_string()
}

fn write_problem(response: &mut Response, id: &str) {
    let Some(ProblemBody(mut problem)) = response.extensions_mut().remove::<ProblemBody>() else {
        return;
    };
    if problem.request.is_empty() {
        problem.request = id.to_string();
    }
    let mut value = serde_json::to_value(&*problem).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        // RFC 9457's own member: a URI that names the kind of problem, ours is the code.
        let kind = format!("urn:towpath:problem:{}", problem.code);
        fields.insert("type".into(), serde_json::Value::String(kind));
    }
    *response.body_mut() = Body::from(value.to_string());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn admit(config: &ServerConfig, request: &Request) -> Result<(), Refusal> {
    let host = host(request.uri(), request.headers());
    if !host.as_deref().is_some_and(|host| ours(config, host)) {
        return Err(Refusal::new(
            "request/foreign-host",
            format!("the platform does not answer as {:?}", host.unwrap_or_default()),
        )
        .hint("use 127.0.0.1 or localhost, or start it with that name among its hosts"));
    }
    if safe(request.method()) || request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    same_origin(request.headers(), host.as_deref().unwrap_or_default())
}

fn safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Host and port as the client said them.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let said = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    Some(said.to_ascii_lowercase())
}

fn ours(config: &ServerConfig, host: &str) -> bool {
    let name = match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        || name.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
        || config.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
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
    if site.is_none() && cookie(headers).is_some() { Err(foreign()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_answered() {
        let config = ServerConfig { hosts: vec!["tow.example.com".into()] };
        for good in [
            "localhost",
            "localhost:7070",
            "127.0.0.1:1",
            "[::1]:7070",
            "[::1]",
            "a.localhost:7070",
            "tow.example.com:80",
        ] {
            assert!(ours(&config, good), "{good}");
        }
        for bad in
            ["", "evil.com", "127.0.0.1.evil.com", ".localhost", "[::2]:80", "localhost.evil"]
        {
            assert!(!ours(&config, bad), "{bad}");
        }
    }

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
