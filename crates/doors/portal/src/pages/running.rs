//! What runs: a line a workload, live. Below it, what happened lately.

use crate::layout::{self, Page, short};
use crate::pages::error;
use crate::session::Visitor;
use crate::state::{badge, badge_of};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tow_api::event::list::{ListEvents, Query as EventQuery};
use tow_api::status::get::{GetStatus, Query, StatusView};
use tow_api::{Endpoint, Nothing};
use tow_app::{App, AppError, Call, Handle, OpCtx};
use tow_record::{Event, State as Word};

/// How many events are shown.
const LATELY: u32 = 8;

/// `GET /`
pub(crate) async fn page(State(app): State<App>, Visitor(ctx): Visitor) -> Response {
    match fragment(&app, &ctx).await {
        Ok(fragment) => {
            let main = html! {
                div #live data-live="/live" { (fragment) }
            };
            let actor = Some(&ctx.actor);
            layout::page(StatusCode::OK, Page { title: "What runs", actor, live: true, main })
        }
        Err(refused) => error::refused(&refused, Some(&ctx.actor)),
    }
}

/// The part that changes; the stream sends it again.
pub(crate) async fn fragment(app: &App, ctx: &OpCtx) -> Result<Markup, AppError> {
    let status = ask::<GetStatus>(app, ctx, Query::default()).await?.items;
    let query = EventQuery { limit: Some(LATELY), ..EventQuery::default() };
    let events = ask::<ListEvents>(app, ctx, query).await?.items;
    Ok(html! {
        (head(&status))
        @if status.is_empty() { (empty()) } @else { (table(&status)) }
        @if !events.is_empty() { (lately(&events)) }
    })
}

async fn ask<E>(app: &App, ctx: &OpCtx, query: E::Query) -> Result<E::Reply, AppError>
where
    E: Endpoint<Path = Nothing, Body = Nothing>,
    App: Handle<E>,
{
    let call = Call::<E> { path: Nothing {}, query, body: Nothing {}, idempotency_key: None };
    app.handle(ctx, call).await
}

fn head(status: &[StatusView]) -> Markup {
    let count = |word: Word| status.iter().filter(|view| view.state == word).count();
    let words =
        [Word::Failed, Word::Degraded, Word::Rolling, Word::Waiting, Word::Live, Word::Stopped];
    html! {
        div.head {
            h1 { "What runs" }
            @if !status.is_empty() {
                p.summary {
                    @for word in words {
                        @let number = count(word);
                        @if number > 0 { span.tally { (number) " " (badge(word)) } }
                    }
                }
            }
        }
    }
}

fn table(status: &[StatusView]) -> Markup {
    html! {
        table.running {
            thead {
                tr {
                    th scope="col" { "Component" }
                    th scope="col" { "Environment" }
                    th scope="col" { "State" }
                    th.number scope="col" { "Release" }
                    th.number scope="col" { "Instances" }
                    th scope="col" { "Where" }
                }
            }
            tbody {
                @for view in status { (row(view)) }
            }
        }
    }
}

fn row(view: &StatusView) -> Markup {
    let component = short(&view.component);
    let key = format!("{}@{}/{}", view.component, view.environment, view.workload);
    html! {
        tr data-key=(key) {
            th scope="row" {
                span.name { (component) }
                @if view.workload != component { span.workload { (view.workload) } }
            }
            td data-label="Environment" { (view.environment) }
            td data-label="State" {
                (badge_of(view.state, &view.mode))
                @if !view.reason.is_empty() { span.reason { (view.reason) } }
                @if let Some(verb) = next(view.state) {
                    code.way { "tow " (verb) " -c " (component) " -e " (view.environment) }
                }
            }
            td.number data-label="Release" {
                @match view.release { Some(number) => (number), None => span.soft { "–" } }
            }
            td.number data-label="Instances" {
                (view.instances.ready) span.soft { "/" (view.instances.wanted) }
            }
            td data-label="Where" {
                @if view.url.is_none() && view.port_url.is_none() { span.soft { "no route" } }
                @if let Some(url) = view.url.as_deref() { (link(url, "url")) }
                @if let Some(url) = view.port_url.as_deref() { (link(url, "url port")) }
            }
        }
    }
}

/// The verb that tells more. What failed was cleared away with its logs; what is ill still writes.
const fn next(state: Word) -> Option<&'static str> {
    match state {
        Word::Failed => Some("deployments"),
        Word::Degraded => Some("logs"),
        _ => None,
    }
}

/// Only addresses of the web become links.
fn link(url: &str, class: &str) -> Markup {
    let shown = url.trim_start_matches("https://").trim_start_matches("http://");
    let shown = shown.trim_end_matches('/');
    html! {
        @if url.starts_with("http://") || url.starts_with("https://") {
            a class=(class) href=(url) target="_blank" rel="noopener noreferrer" { (shown) }
        } @else {
            span class=(class) { (shown) }
        }
    }
}

fn empty() -> Markup {
    html! {
        section.card.empty {
            h2 { "Nothing runs yet" }
            p { "A folder with a Score file is all it takes. Towpath says what it will do, builds it, starts it, \
                 waits until it is healthy and gives it a URL." }
            pre.command { code { "tow deploy examples/hello-rust" } }
            p.soft { "It appears here by itself. " code { "tow plan" } " shows the same without doing it, "
                code { "tow rollback" } " takes it back." }
        }
    }
}

fn lately(events: &[Event]) -> Markup {
    html! {
        section.lately {
            h2 { "Lately" }
            ol {
                @for event in events.iter().rev() {
                    @let at = event.at.to_string();
                    li data-key=(event.seq) {
                        time datetime=(at) { (at.get(11..19).unwrap_or_default()) }
                        span.what {
                            @match &event.body {
                                Some(body) => (body.summary),
                                None => span.soft { "erased" },
                            }
                        }
                        span.actor { (short(&event.actor)) }
                    }
                }
            }
            p.soft.fine { "Times are UTC. All of it: " code { "tow events -f" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_api::status::get::Replicas;

    fn view(component: &str, workload: &str, state: Word, url: Option<&str>) -> StatusView {
        StatusView {
            component: format!("component:default/{component}"),
            workload: workload.into(),
            environment: "development".into(),
            release: Some(3),
            state,
            mode: tow_record::Mode::Serving,
            reason: String::new(),
            url: url.map(Into::into),
            port_url: None,
            instances: Replicas { ready: 1, wanted: 2 },
        }
    }

    #[test]
    fn only_web_addresses_become_links() {
        let views = [
            view("web", "web", Word::Live, Some("http://web.localhost:7080/")),
            view("odd", "main", Word::Failed, Some("javascript:alert(1)")),
        ];
        let html = table(&views).into_string();
        assert!(html.contains("href=\"http://web.localhost:7080/\""), "{html}");
        assert!(!html.contains("href=\"javascript"), "{html}");
        assert!(html.contains("data-key=\"component:default/odd@development/main\""));
        assert!(
            html.contains("<span class=\"workload\">main</span>"),
            "told apart from its component"
        );
    }

    #[test]
    fn states_are_counted_with_shape_and_word() {
        let views = [
            view("a", "a", Word::Live, None),
            view("b", "b", Word::Live, None),
            view("c", "c", Word::Failed, None),
        ];
        let html = head(&views).into_string();
        assert!(html.contains("2 <span class=\"state live\">"), "{html}");
        assert!(html.contains("✕</span>failed"), "{html}");
        assert!(!html.contains("stopped"));
    }
}
