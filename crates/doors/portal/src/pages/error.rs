//! Errors are pages with a way out: what happened, what is untouched, the hint, the link.

use crate::layout::{Page, page};
use axum::response::Response;
use http::{StatusCode, Uri};
use maud::{Markup, html};
use tow_app::AppError;
use tow_record::{Actor, Problem};

/// What the app refused.
pub(crate) fn refused(error: &AppError, actor: Option<&Actor>) -> Response {
    let problem = error.problem();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let main = markup(&problem);
    page(status, Page { title: &problem.title, actor, live: false, main })
}

/// Not a page of ours.
pub(crate) async fn no_such_page(uri: Uri) -> Response {
    let main = html! {
        section.card.center {
            h1 { "There is no such page" }
            p { "Nothing is kept at " code { (uri.path()) } "." }
            p { a.button href="/" { "See what runs" } }
        }
    };
    page(StatusCode::NOT_FOUND, Page { title: "No such page", actor: None, live: false, main })
}

/// A problem for people.
pub(crate) fn markup(problem: &Problem) -> Markup {
    html! {
        section.card.center {
            h1 { (problem.title) }
            p { (problem.detail) }
            @if !problem.untouched.is_empty() { p.soft { (problem.untouched) } }
            @if let Some(hint) = &problem.hint { p { strong { "Hint: " } (hint) } }
            @for command in &problem.next { pre.command { code { (command) } } }
            p { a.button href="/" { "See what runs" } }
            p.fine { code { (problem.code) } }
        }
    }
}
