//! The frame of every page, and the headers that keep browsers careful with it.

use crate::assets::VERSION;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use tow_record::Actor;

/// No inline script or style, nothing from elsewhere, not to be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page.
pub(crate) struct Page<'a> {
    /// In the title bar.
    pub(crate) title: &'a str,
    /// Who is signed in.
    pub(crate) actor: Option<&'a Actor>,
    /// Keeps itself up to date: by the stream, or without JavaScript by loading again.
    pub(crate) live: bool,
    /// What is in it.
    pub(crate) main: Markup,
}

/// Writes a page.
pub(crate) fn page(status: StatusCode, page: Page<'_>) -> Response {
    let version = VERSION.as_str();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Towpath" }
                link rel="icon" type="image/svg+xml" href={ "/assets/mark.svg?v=" (version) };
                link rel="stylesheet" href={ "/assets/portal.css?v=" (version) };
                @if page.live {
                    script type="module" src={ "/assets/live.js?v=" (version) } {}
                    noscript { meta http-equiv="refresh" content="5"; }
                }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" {
                        img src={ "/assets/mark.svg?v=" (version) } width="22" height="22" alt="";
                        "Towpath"
                    }
                    @if let Some(actor) = page.actor {
                        nav.ways aria-label="Pages" {
                            a href="/" { "What runs" }
                            a href="/catalog" { "Catalog" }
                        }
                        span.who {
                            span.name { (short(&actor.name)) }
                            @if short(&actor.name) != actor.role.as_str() {
                                span.role { (actor.role.as_str()) }
                            }
                        }
                        form method="post" action="/sign-out" { button.quiet { "Sign out" } }
                    }
                }
                main #main tabindex="-1" { (page.main) }
            }
        }
    };
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, markup.into_string()).into_response()
}

/// On every answer of the portal.
pub(crate) async fn careful(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A reference as people say it: `web`, `team/web`.
pub(crate) fn short(reference: &str) -> &str {
    let rest = reference.split_once(':').map_or(reference, |(_, rest)| rest);
    rest.strip_prefix("default/").unwrap_or(rest)
}
