//! Whether the platform is alive and ready, its numbers, and its contract: for machines, without sign-in.

use crate::answer::Refusal;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use std::sync::OnceLock;
use tow_app::App;

/// The process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// It can do its work.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    match app.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// In Prometheus' text format, version 0.0.4.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    match app.metrics().await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// The contract.
pub(crate) async fn openapi() -> Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| tow_api::openapi().to_string());
    ([(header::CONTENT_TYPE, "application/json")], document.as_str()).into_response()
}
