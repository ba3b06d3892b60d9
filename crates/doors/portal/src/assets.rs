//! Style, script and picture: our own, part of the binary, named by their content so that browsers may keep them.

use axum::response::{IntoResponse, Response};
use http::header;
use std::sync::LazyLock;
use tow_names::Digest;

const CSS: &str = include_str!("../assets/portal.css");
const LIVE: &str = include_str!("../assets/live.js");
const MARK: &str = include_str!("../assets/mark.svg");

/// Changes with any of them.
pub(crate) static VERSION: LazyLock<String> =
    LazyLock::new(|| Digest::of([CSS, LIVE, MARK].concat().as_bytes()).hex()[..12].to_string());

fn asset(kind: &'static str, text: &'static str) -> Response {
    let forever = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, forever)], text).into_response()
}

pub(crate) async fn css() -> Response {
    asset("text/css; charset=utf-8", CSS)
}

pub(crate) async fn live() -> Response {
    asset("text/javascript; charset=utf-8", LIVE)
}

pub(crate) async fn mark() -> Response {
    asset("image/svg+xml", MARK)
}
