//! Who looks at a page: the session in the cookie.

use crate::layout::{Page, page};
use crate::pages::error;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use tow_api::SESSION_COOKIE;
use tow_app::{App, AppError, OpCtx};

/// Somebody signed in. Everybody else is led to the sign-in page.
pub(crate) struct Visitor(pub(crate) OpCtx);

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    /// Whoever asks was found out by the door around us.
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Response> {
        if let Some(ctx) = parts.extensions.get::<OpCtx>() {
            return Ok(Self(ctx.clone()));
        }
        match parts.extensions.get::<AppError>().map(AppError::problem) {
            Some(problem) if problem.status != 401 => {
                let main = error::markup(&problem);
                let status = StatusCode::from_u16(problem.status)
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Err(page(status, Page { title: &problem.title, actor: None, live: false, main }))
            }
            _ => Err(Redirect::to("/sign-in").into_response()),
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
