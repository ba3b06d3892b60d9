//! Who looks at a page: the session in the cookie.

use crate::layout::{Page, page};
use crate::pages::error;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use tow_api::SESSION_COOKIE;
use tow_app::{App, OpCtx};

/// Somebody signed in. Everybody else is led to the sign-in page.
pub(crate) struct Visitor(pub(crate) OpCtx);

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Some(token) = token(&parts.headers) else {
            return Err(Redirect::to("/sign-in").into_response());
        };
        match app.authenticate(token).await {
            Ok(actor) => Ok(Self(OpCtx { actor, request: request(&parts.headers) })),
            Err(refused) if refused.problem().status == 401 => {
                Err(Redirect::to("/sign-in").into_response())
            }
            Err(failed) => {
                let problem = failed.problem();
                let main = error::markup(&problem);
                let status = StatusCode::from_u16(problem.status)
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Err(page(status, Page { title: &problem.title, actor: None, live: false, main }))
            }
        }
    }
}

/// The session's token.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == SESSION_COOKIE && !value.is_empty())
        .map(|(_, value)| value)
}

/// The request's id, given by the server around us.
fn request(headers: &HeaderMap) -> String {
    headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_string()
}
