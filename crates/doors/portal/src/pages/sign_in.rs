//! Signing in: by name and password, or by a one-time link. A link opens a page and burns nothing: whatever fetches links
//! ahead of people (mail scanners, chat previews) must not use it up. The button does. Forms, without JavaScript.

use crate::layout::{self, Page};
use crate::pages::error;
use crate::session;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use serde::Deserialize;
use tow_api::SESSION_COOKIE;
use tow_app::{App, AppError, Caller, Invitation, Session};

/// What the link carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    #[serde(default)]
    token: String,
}

/// What the forms carry. Has no Debug: a password must not get into a log.
#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    token: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

/// `GET /sign-in`, with or without `?token=…`
pub(crate) async fn page(State(app): State<App>, Query(secret): Query<Secret>) -> Response {
    if secret.token.is_empty() {
        return show(StatusCode::OK, by_password("", None));
    }
    match app.invitation(&secret.token).await {
        Ok(Some(invitation)) if invitation.invites => {
            show(StatusCode::OK, welcome(&secret.token, &invitation, None))
        }
        Ok(_) => show(StatusCode::OK, by_link(&secret.token)),
        Err(failed) => error::refused(&failed, None),
    }
}

/// `POST /sign-in`: uses the link up, or checks name and password.
pub(crate) async fn redeem(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
    Form(given): Form<Given>,
) -> Response {
    let caller = caller.map(|Extension(caller)| caller).unwrap_or_default();
    let (token, user) = (given.token.clone(), given.user.clone());
    let asked = app.clone();
    // On a task of its own: a browser that goes away must not leave a link that is used and no session, and must not
    // leave a try that was not counted.
    let signed = tokio::spawn(async move { enter(&asked, given, &caller).await }).await;
    match signed {
        Ok(Ok(session)) => with_cookie(&session.token, 30 * 24 * 3600, "/"),
        Ok(Err(refused)) => again(&app, &token, &user, &refused).await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn enter(app: &App, given: Given, caller: &Caller) -> Result<Session, AppError> {
    if given.token.is_empty() {
        let address = caller.address.as_deref();
        return app.sign_in(&given.user, &given.password, address, &caller.request).await;
    }
    if given.password != given.again {
        return Err(AppError::new("access/password", "the two passwords are not the same"));
    }
    let password = (!given.password.is_empty()).then_some(given.password.as_str());
    app.redeem_sign_in(&given.token, password, &caller.request).await
}

/// The form once more, with what was wrong. A link that does not work has no form.
async fn again(app: &App, token: &str, user: &str, refused: &AppError) -> Response {
    let problem = refused.problem();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = if token.is_empty() && (400..500).contains(&problem.status) {
        show(status, by_password(user, Some(&problem.detail)))
    } else if refused.is("access/password") {
        match app.invitation(token).await {
            Ok(Some(invitation)) => {
                show(status, welcome(token, &invitation, Some(&problem.detail)))
            }
            _ => error::refused(refused, None),
        }
    } else {
        error::refused(refused, None)
    };
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn show(status: StatusCode, main: Markup) -> Response {
    layout::page(status, Page { title: "Sign in", actor: None, live: false, main })
}

fn wrong(why: Option<&str>) -> Markup {
    html! {
        @if let Some(why) = why { p.wrong role="alert" { (why) } }
    }
}

fn by_password(user: &str, why: Option<&str>) -> Markup {
    html! {
        section.card.center {
            h1 { "Sign in" }
            (wrong(why))
            form.fields method="post" action="/sign-in" {
                label for="user" { "Name" }
                input #user name="user" value=(user) required autocomplete="username"
                    autocapitalize="none" spellcheck="false" maxlength="256" autofocus;
                label for="password" { "Password" }
                input #password type="password" name="password" required
                    autocomplete="current-password" maxlength="1024";
                button.button { "Sign in" }
            }
            p.soft { "Or by a link that works once. Ask for one on the machine the platform runs on, \
                      or wherever you have a token, and open what it prints:" }
            pre.command { code { "tow sign-in" } }
        }
    }
}

fn by_link(token: &str) -> Markup {
    html! {
        section.card.center {
            h1 { "Welcome" }
            p { "This link signs this browser in. It works once." }
            form method="post" action="/sign-in" {
                input type="hidden" name="token" value=(token);
                button.button autofocus { "Sign in" }
            }
        }
    }
}

fn welcome(token: &str, invitation: &Invitation, why: Option<&str>) -> Markup {
    html! {
        section.card.center {
            h1 { "Welcome" }
            p { "Choose a password, " strong { (layout::short(&invitation.user)) }
                ". With your name and it you sign in from now on." }
            (wrong(why))
            form.fields method="post" action="/sign-in" {
                input type="hidden" name="token" value=(token);
                // Password managers want to know whose it is.
                input type="hidden" name="user" value=(layout::short(&invitation.user))
                    autocomplete="username";
                label for="password" { "Password, at least 12 characters" }
                input #password type="password" name="password" required minlength="12"
                    autocomplete="new-password" maxlength="1024" autofocus;
                label for="again" { "The same again" }
                input #again type="password" name="again" required minlength="12"
                    autocomplete="new-password" maxlength="1024";
                button.button { "Set it and sign in" }
            }
        }
    }
}

/// `POST /sign-out`: the session ends on the platform, not only in the browser.
pub(crate) async fn leave(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
    headers: http::HeaderMap,
) -> Response {
    let request = caller.map(|Extension(caller)| caller.request).unwrap_or_default();
    if let Some(token) = session::token(&headers)
        && let Err(failed) = app.sign_out(token, &request).await
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
