//! A name that is ours: an unknown Host is refused, so that no foreign name that resolves to this machine (DNS rebinding)
//! makes a browser hand our answers to its page.

use crate::ServerConfig;
use crate::answer::Refusal;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri, header};
use std::sync::Arc;

pub(super) async fn host(
    State(config): State<Arc<ServerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let host = said(request.uri(), request.headers());
    if host.as_deref().is_some_and(|host| ours(&config, host)) {
        return next.run(request).await;
    }
    let detail = format!("the platform does not answer as {:?}", host.unwrap_or_default());
    Refusal::new("request/foreign-host", detail)
        .hint("use 127.0.0.1 or localhost, or start it with that name among its hosts")
        .into_response()
}

/// Host and port as the client said them.
pub(super) fn said(uri: &Uri, headers: &HeaderMap) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_answered() {
        let config =
            ServerConfig { hosts: vec!["tow.example.com".into()], ..ServerConfig::default() };
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
}
