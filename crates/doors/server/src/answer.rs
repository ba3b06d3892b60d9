//! Answers: JSON, and problems as `application/problem+json` (RFC 9457). The request's id is put in by [`crate::layers`].

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tow_app::AppError;
use tow_record::Problem;

/// A refusal by the door itself or by the app.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Box<Problem>);

impl Refusal {
    /// Of the door's own, with a code of [`tow_record::CODES`].
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::refusal(code, detail)))
    }

    /// With a way on.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// A broken use-case: what happened is in the log, under the request's id.
    pub(crate) fn broken() -> Self {
        Self::new(
            "internal/broken",
            "the platform broke off this request; the log tells more under the request's id",
        )
    }
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self(Box::new(error.problem()))
    }
}

/// Marks an answer whose body is a problem, for the guard to write once the request's id is known.
#[derive(Debug, Clone)]
pub(crate) struct ProblemBody(pub(crate) Box<Problem>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        if status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer realm=\"towpath\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response.extensions_mut().insert(ProblemBody(self.0));
        response
    }
}

/// A success with a JSON body.
pub(crate) fn json<T: serde::Serialize>(status: u16, value: &T) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    match serde_json::to_vec(value) {
        Ok(body) => (
            status,
            [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")],
            body,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            Refusal::broken().into_response()
        }
    }
}

/// Below `/api`, but not in the contract.
pub(crate) async fn no_such_endpoint(uri: Uri) -> Response {
    Refusal::new("request/no-such-endpoint", format!("there is no endpoint at {}", uri.path()))
        .hint("all endpoints are listed in /api/v1/openapi.json")
        .into_response()
}

/// In the contract, but not by this method.
pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Response {
    Refusal::new("request/no-such-method", format!("{} can't be asked with {method}", uri.path()))
        .hint("the header Allow and /api/v1/openapi.json say which methods can")
        .into_response()
}
