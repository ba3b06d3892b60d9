//! Signing in by a one-time link. The link opens a page and burns nothing: whatever fetches links ahead of people (mail
//! scanners, chat previews) must not use it up. The button does.

use crate::layout::{self, Page};
use crate::pages::error;
use crate::session;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use maud::html;
use serde::Deserialize;
use tow_api::SESSION_COOKIE;
use tow_app::App;

/// What the link and the button carry.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    #[serde(default)]
    token: String,
}

/// `GET /sign-in`, with or without `?token=…`
pub(crate) async fn page(Query(secret): Query<Secret>) -> Response {
    let main = html! {
        section.card.center {
            @if secret.token.is_empty() {
                h1 { "Sign in" }
                p { "A link signs this browser in, once. Ask for one on the machine the platform runs on, \
                     or wherever you have a token:" }
                pre.command { code { "tow sign-in" } }
                p.soft { "Then open what it prints. The link holds for 15 minutes." }
            } @else {
                h1 { "Welcome" }
                p { "This link signs this browser in. It works once." }
                form method="post" action="/sign-in" {
                    input type="hidden" name="token" value=(secret.token);
                    button.button autofocus { "Sign in" }
                }
            }
        }
    };
    layout::page(StatusCode::OK, Page { title: "Sign in", actor: None, live: false, main })
}

/// `POST /sign-in`: uses the link up.
pub(crate) async fn redeem(State(app): State<App>, Form(secret): Form<Secret>) -> Response {
    // On a task of its own: a browser that goes away must not leave a link that is used and no session.
    let redeemed = tokio::spawn(async move { app.redeem_sign_in(&secret.token).await }).await;
    match redeemed {
        Ok(Ok(session)) => with_cookie(&session.token, 30 * 24 * 3600, "/"),
        Ok(Err(refused)) => error::refused(&refused, None),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `POST /sign-out`: the session ends on the platform, not only in the browser.
pub(crate) async fn leave(State(app): State<App>, headers: http::HeaderMap) -> Response {
    if let Some(token) = session::token(&headers)
        && let Err(failed) = app.sign_out(token).await
    {
        return error::refused(&failed, None);
    }
    with_cookie("", 0, "/sign-in")
}

/// Sets the session and goes on. The platform knows when a session ends; the browser's own limit is only tidiness.
fn with_cookie(token: &str, seconds: u32, to: &str) -> Response {
    let cookie =
        format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    let mut response = Redirect::to(to).into_response();
    match HeaderValue::from_str(&cookie) {
        Ok(mut value) => {
            value.set_sensitive(true);
            response.headers_mut().insert(header::SET_COOKIE, value);
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
