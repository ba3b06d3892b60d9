//! How every answer looks: the request's id, headers that tell browsers to be careful, problems written out, one span in
//! the log.

use crate::answer::ProblemBody;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tow_app::Caller;
use tow_names::Id;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost: what is refused further in passes here too.
pub(super) async fn answers(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(Caller { request: id.clone(), address: None });
    // The path alone: a query may hold a secret.
    let span = tracing::info_span!(
        "request",
        id = %id,
        method = %request.method(),
        path = %request.uri().path(),
        status = tracing::field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
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
const CAREFUL: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
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
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
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
