//! The catalog: everything that is declared, with a box for a query and the values most objects have as links that narrow
//! it. Works without scripts: it is one form and links.

use crate::layout::{self, Page, short};
use crate::pages::error;
use crate::session::Visitor;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use tow_api::Nothing;
use tow_api::object::facets::{self, Facet, GetFacets};
use tow_api::object::get::ObjectView;
use tow_api::object::list::{self, FindObjects};
use tow_app::{App, AppError, Call, Handle, OpCtx};

/// How many objects a page shows, and how many values a facet.
const ROWS: u32 = 50;
const VALUES: u32 = 12;
const KEYS: &str = "kind,type,lifecycle,owner,tag";

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    order: String,
    #[serde(default)]
    from: String,
}

/// `GET /catalog`
pub(crate) async fn page(
    State(app): State<App>,
    Visitor(ctx): Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    let found = find(&app, &ctx, &asked).await;
    let (status, main) = match found {
        Ok((reply, facets)) => {
            (StatusCode::OK, html! { (head(&asked, reply.total)) (body(&asked, &reply, &facets)) })
        }
        // What was typed stays in the box, with what is wrong below it.
        Err(refused) if refused.code().starts_with("query/") => {
            let problem = refused.problem();
            let told = html! {
                p.reason role="alert" { (problem.detail) }
                @if let Some(hint) = &problem.hint { p.soft { (hint) } }
            };
            (StatusCode::BAD_REQUEST, html! { (head(&asked, None)) (told) })
        }
        Err(refused) => return error::refused(&refused, Some(&ctx.actor)),
    };
    layout::page(status, Page { title: "Catalog", actor: Some(&ctx.actor), live: false, main })
}

async fn find(
    app: &App,
    ctx: &OpCtx,
    asked: &Asked,
) -> Result<(list::Reply, Vec<Facet>), AppError> {
    let some = |text: &str| (!text.trim().is_empty()).then(|| text.to_string());
    let query = list::Query {
        q: some(&asked.q),
        order: some(&asked.order),
        from: some(&asked.from),
        limit: Some(ROWS),
        fields: Some("kind,metadata,spec.type,spec.owner".into()),
        total: true,
    };
    let (path, body) = (Nothing {}, Nothing {});
    let call = Call::<FindObjects> { path, query, body, idempotency_key: None };
    let reply = app.handle(ctx, call).await?;
    let query = facets::Query { keys: KEYS.into(), q: some(&asked.q), limit: Some(VALUES) };
    let call = Call::<GetFacets> { path, query, body, idempotency_key: None };
    Ok((reply, app.handle(ctx, call).await?.facets))
}

fn head(asked: &Asked, total: Option<i64>) -> Markup {
    html! {
        div.head {
            h1 { "Catalog" }
            @if let Some(total) = total { p.summary { (total) " found" } }
        }
        form.find method="get" action="/catalog" role="search" {
            label for="q" { "Find" }
            input #q type="search" name="q" value=(asked.q) autocomplete="off"
                placeholder="kind=component owner=quay tag:java -lifecycle=deprecated";
            @if !asked.order.is_empty() { input type="hidden" name="order" value=(asked.order); }
            button.quiet { "Find" }
        }
    }
}

fn body(asked: &Asked, reply: &list::Reply, facets: &[Facet]) -> Markup {
    html! {
        div.catalog {
            nav.facets aria-label="Narrow it" {
                @for facet in facets.iter().filter(|facet| !facet.values.is_empty()) {
                    h2 { (facet.key) }
                    ul {
                        @for value in &facet.values {
                            li {
                                a href=(narrowed(asked, &facet.key, &value.value)) { (shown(&value.value)) }
                                " " span.soft { (value.count) }
                            }
                        }
                        @if facet.distinct > facet.values.len() as u64 {
                            li.soft { "and " (facet.distinct - facet.values.len() as u64) " more" }
                        }
                    }
                }
            }
            div {
                @if reply.items.is_empty() {
                    p { "Nothing passes." @if !asked.q.is_empty() { " " a href="/catalog" { "Show everything" } } }
                } @else {
                    (table(asked, &reply.items))
                }
                p.pages {
                    @if let Some(previous) = &reply.previous {
                        a rel="prev" href=(address(&asked.q, &asked.order, previous)) { "Back" } " "
                    }
                    @if let Some(next) = &reply.next {
                        a rel="next" href=(address(&asked.q, &asked.order, next)) { "More" }
                    }
                }
            }
        }
    }
}

fn table(asked: &Asked, items: &[ObjectView]) -> Markup {
    let sorted = |key: &str, title: &str| {
        let down = asked.order == key;
        let order = if down { format!("-{key}") } else { key.to_string() };
        html! { a href=(address(&asked.q, &order, "")) { (title) } }
    };
    html! {
        table.running {
            thead {
                tr {
                    th scope="col" { (sorted("name", "Name")) }
                    th scope="col" { (sorted("kind", "Kind")) }
                    th scope="col" { (sorted("type", "Type")) }
                    th scope="col" { (sorted("owner", "Owner")) }
                    th scope="col" { "About" }
                }
            }
            tbody { @for item in items { (row(item)) } }
        }
    }
}

fn row(item: &ObjectView) -> Markup {
    let members = item.members();
    let word = |path: [&str; 2]| members.get(path[0])?.get(path[1])?.as_str();
    let kind = members.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
    let namespace = word(["metadata", "namespace"]).filter(|space| *space != "default");
    let about = word(["metadata", "description"]).or_else(|| word(["metadata", "title"]));
    let dash = |word: Option<&str>| html! { @match word { Some(word) => (word), None => span.soft { "–" } } };
    html! {
        tr {
            th scope="row" {
                span.name { @if let Some(space) = namespace { (space) "/" } (word(["metadata", "name"]).unwrap_or_default()) }
            }
            td data-label="Kind" { (kind) }
            td data-label="Type" { (dash(word(["spec", "type"]))) }
            td data-label="Owner" { (dash(word(["spec", "owner"]).map(short))) }
            td data-label="About" { (about.unwrap_or_default()) }
        }
    }
}

/// A reference as people say it; other values as they are.
fn shown(value: &str) -> &str {
    match value.split_once(':') {
        Some((_, rest)) if rest.contains('/') => short(value),
        _ => value,
    }
}

/// The page with one more condition.
fn narrowed(asked: &Asked, key: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    let more = format!("{key}=\"{value}\"");
    let query = if asked.q.trim().is_empty() { more } else { format!("({}) {more}", asked.q) };
    address(&query, &asked.order, "")
}

fn address(query: &str, order: &str, from: &str) -> String {
    let given = [("q", query), ("order", order), ("from", from)];
    let pairs = given.iter().filter(|(_, value)| !value.trim().is_empty());
    let pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { "/catalog".into() } else { format!("/catalog?{}", pairs.join("&")) }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
