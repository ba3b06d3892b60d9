//! Entities: lists, by name, by uid, by reference, facets, ancestry; refreshing and judging one.

use super::answer::{Asked, Refused, answer, empty, text};
use super::params::{self, Params};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderValue, StatusCode, header};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::io;
use tow_app::{App, EntitiesAsked, EntitiesFound};

/// How many entities of a list without end are read at once.
const AT_ONCE: u32 = 500;

fn array<'e>(items: impl IntoIterator<Item = Option<&'e RawValue>>) -> String {
    let mut out = String::from("[");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(item.map_or("null", RawValue::get));
    }
    out.push(']');
    out
}

fn page(found: &EntitiesFound) -> Response {
    let mut info = Map::new();
    for (name, cursor) in [("nextCursor", &found.next), ("prevCursor", &found.previous)] {
        if let Some(cursor) = cursor {
            info.insert(name.into(), json!(cursor));
        }
    }
    let items = array(found.items.iter().map(|item| Some(&**item)));
    let (total, info) = (found.total, Value::Object(info));
    let body = format!("{{\"items\":{items},\"totalItems\":{total},\"pageInfo\":{info}}}");
    text(StatusCode::OK, body)
}

/// `GET /entities`: an array; the next page is in the header `Link`.
pub(super) async fn list(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |asked| list_of(asked).await).await
}

async fn list_of(asked: Asked) -> Result<Response, Refused> {
    let known = ["fields", "limit", "filter", "offset", "after", "order"];
    let params = Params::read(&asked, &known)?;
    let paged = ["limit", "offset", "after"].iter().any(|name| params.one(name).is_some());
    let mut query = EntitiesAsked {
        filters: params.all("filter"),
        orders: params.all("order"),
        fields: params.list("fields"),
        by_reference: paged,
        ..EntitiesAsked::default()
    };
    if !paged {
        query.limit = Some(AT_ONCE);
        return stream_of(asked, query).await;
    }
    let (mut limit, mut offset) =
        (params.number("limit", 1)?, params.number("offset", 0)?.unwrap_or(0));
    if let Some(after) = params.one("after") {
        (limit, offset) = after_of(after)?;
    }
    query.limit = Some(limit.unwrap_or(u32::MAX));
    query.offset = offset;
    let found = asked.app.entities(&asked.ctx, &query).await?;
    let mut response = text(StatusCode::OK, array(found.items.iter().map(|item| Some(&**item))));
    if found.next.is_some() {
        let count = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
        let next = after_text(limit.unwrap_or(count), offset.saturating_add(count));
        let kept = asked.request.uri().query().unwrap_or_default();
        let kept = kept.split('&').filter(|pair| {
            !pair.starts_with("offset=") && !pair.starts_with("after=") && !pair.is_empty()
        });
        let mut pairs: Vec<String> = kept.map(String::from).collect();
        pairs.push(format!("after={next}"));
        let link = format!("</entities?{}>; rel=\"next\"", pairs.join("&"));
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// A place in a plain list is how many come before it.
fn after_text(limit: u32, offset: u32) -> String {
    format!("{limit}.{offset}")
}

fn after_of(text: &str) -> Result<(Option<u32>, u32), Refused> {
    let wrong = || Refused::input("Malformed after cursor, could not be parsed");
    let (said, from) = text.split_once('.').ok_or_else(wrong)?;
    let said: u32 = said.parse().map_err(|_| wrong())?;
    let from: u32 = from.parse().map_err(|_| wrong())?;
    Ok((Some(said.max(1)), from))
}

/// All of them, read piece by piece while they are sent.
async fn stream_of(asked: Asked, query: EntitiesAsked) -> Result<Response, Refused> {
    let first = asked.app.entities(&asked.ctx, &query).await?;
    let (app, ctx) = (asked.app, asked.ctx);
    let begun = (Some(first), true);
    let pieces = stream::try_unfold(begun, move |(found, is_first)| {
        let (app, ctx, query) = (app.clone(), ctx.clone(), query.clone());
        async move {
            let Some(found) = found else { return Ok(None) };
            let mut piece = array(found.items.iter().map(|item| Some(&**item)));
            piece.pop();
            if !is_first {
                piece.replace_range(..1, if found.items.is_empty() { "" } else { "," });
            }
            let Some(cursor) = found.next else {
                piece.push(']');
                return Ok(Some((Bytes::from(piece), (None, false))));
            };
            let query = EntitiesAsked { cursor: Some(cursor), ..query };
            let next = app.entities(&ctx, &query).await;
            // The status is out already: the answer is broken off, and no client takes it for the whole.
            let next = next.map_err(|error| io::Error::other(error.to_string()))?;
            Ok(Some((Bytes::from(piece), (Some(next), false))))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = Body::from_stream(pieces.map(|piece: Result<Bytes, io::Error>| piece));
    Ok((StatusCode::OK, headers, body).into_response())
}

/// `GET /entities/by-query`
pub(super) async fn by_query(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |asked| {
        let known = [
            "fields",
            "limit",
            "offset",
            "orderField",
            "cursor",
            "filter",
            "fullTextFilterTerm",
            "fullTextFilterFields",
            "totalItems",
        ];
        let params = Params::read(&asked, &known)?;
        let query = EntitiesAsked {
            filters: params.all("filter"),
            order_fields: params.all("orderField"),
            text: params.one("fullTextFilterTerm").map(String::from),
            text_fields: params.list("fullTextFilterFields"),
            cursor: params.one("cursor").map(String::from),
            offset: params.number("offset", 0)?.unwrap_or(0),
            limit: params.number("limit", 0)?,
            total: params.total()?,
            fields: params.list("fields"),
            ..EntitiesAsked::default()
        };
        Ok(page(&asked.app.entities(&asked.ctx, &query).await?))
    })
    .await
}

/// `POST /entities/by-query`
pub(super) async fn by_predicate(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let body = params::body(&mut asked).await?;
        let cursor = params::text(&body, "cursor")?;
        if cursor.as_deref() == Some("") {
            return Err(Refused::input("Cursor cannot be empty"));
        }
        let text_filter = match body.get("fullTextFilter") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(members)) => members.clone(),
            Some(_) => return Err(Refused::input("request/body/fullTextFilter must be object")),
        };
        let total = params::text(&body, "totalItems")?;
        let query = EntitiesAsked {
            query: body.get("query").cloned(),
            order_by: order_by(&body)?,
            text: params::text(&text_filter, "term")?,
            text_fields: params::texts(&text_filter, "fields")?,
            cursor,
            offset: params::number(&body, "offset")?.unwrap_or(0),
            limit: params::number(&body, "limit")?,
            total: params::total(total.as_deref())?,
            fields: params::texts(&body, "fields")?,
            long: true,
            ..EntitiesAsked::default()
        };
        Ok(page(&asked.app.entities(&asked.ctx, &query).await?))
    })
    .await
}

fn order_by(body: &Map<String, Value>) -> Result<Vec<(String, String)>, Refused> {
    let wrong = || Refused::input("request/body/orderBy must be array of {field, order}");
    let items = match body.get("orderBy") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong()),
    };
    let each = items.iter().map(|item| {
        let word = |name: &str| item.get(name).and_then(Value::as_str).map(String::from);
        let (field, order) = (word("field"), word("order"));
        Ok((field.ok_or_else(wrong)?, order.ok_or_else(wrong)?))
    });
    each.collect()
}

/// `POST /entities/by-refs`
pub(super) async fn by_refs(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let params = Params::read(&asked, &["filter", "fields"])?;
        let body = params::body(&mut asked).await?;
        if !body.contains_key("entityRefs") {
            let why = "request/body must have required property 'entityRefs'";
            return Err(Refused::input(why));
        }
        let references = params::texts(&body, "entityRefs")?;
        let mut fields = params::texts(&body, "fields")?;
        fields.extend(params.list("fields"));
        let query = EntitiesAsked {
            filters: params.all("filter"),
            query: body.get("query").cloned(),
            fields,
            ..EntitiesAsked::default()
        };
        let found = asked.app.entities_by_refs(&asked.ctx, &references, &query).await?;
        let items = array(found.iter().map(Option::as_deref));
        Ok(text(StatusCode::OK, format!("{{\"items\":{items}}}")))
    })
    .await
}

/// `GET /entities/by-name/{kind}/{namespace}/{name}`
pub(super) async fn by_name(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let [kind, namespace, name] = params::path(&mut asked).await?;
        let found = asked.app.entity_by_name(&asked.ctx, &kind, &namespace, &name).await?;
        Ok(text(StatusCode::OK, found.get().to_string()))
    })
    .await
}

/// `GET /entities/by-uid/{uid}`
pub(super) async fn by_uid(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let [uid] = params::path(&mut asked).await?;
        let found = asked.app.entity_by_uid(&asked.ctx, &uid).await?;
        Ok(text(StatusCode::OK, found.get().to_string()))
    })
    .await
}

/// `DELETE /entities/by-uid/{uid}`
pub(super) async fn delete(state: State<App>, request: Request) -> Response {
    answer(state, request, true, async |mut asked| {
        let [uid] = params::path(&mut asked).await?;
        asked.app.delete_entity(&asked.ctx, &uid).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

/// `GET /entities/by-name/{kind}/{namespace}/{name}/ancestry`
pub(super) async fn ancestry(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let [kind, namespace, name] = params::path(&mut asked).await?;
        let found = asked.app.entity_ancestry(&asked.ctx, &kind, &namespace, &name).await?;
        let root = found.first().map(|(root, _)| root.clone()).unwrap_or_default();
        let items = found.iter().map(|(_, ancestor)| {
            let (entity, parents) = (ancestor.entity.get(), json!(ancestor.parents));
            format!("{{\"entity\":{entity},\"parentEntityRefs\":{parents}}}")
        });
        let items = items.collect::<Vec<_>>().join(",");
        let root = json!(root);
        let body = format!("{{\"rootEntityRef\":{root},\"items\":[{items}]}}");
        Ok(text(StatusCode::OK, body))
    })
    .await
}

/// `GET /entity-facets`
pub(super) async fn facets(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |asked| {
        let params = Params::read(&asked, &["facet", "filter"])?;
        let keys = params.all("facet");
        if keys.is_empty() {
            return Err(Refused::input("Missing facet parameter"));
        }
        let query = EntitiesAsked { filters: params.all("filter"), ..EntitiesAsked::default() };
        faceted(asked, keys, query).await
    })
    .await
}

/// `POST /entity-facets`
pub(super) async fn facets_by_predicate(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let body = params::body(&mut asked).await?;
        let mut keys = params::texts(&body, "facets")?;
        keys.retain(|key| !key.is_empty());
        if keys.is_empty() {
            return Err(Refused::input("Missing or empty facets parameter"));
        }
        let query = EntitiesAsked { query: body.get("query").cloned(), ..EntitiesAsked::default() };
        faceted(asked, keys, query).await
    })
    .await
}

async fn faceted(
    asked: Asked,
    keys: Vec<String>,
    query: EntitiesAsked,
) -> Result<Response, Refused> {
    let found = asked.app.entity_facets(&asked.ctx, &keys, &query).await?;
    let mut facets = Map::new();
    for (key, values) in keys.into_iter().zip(found) {
        let values = values.iter().map(|(value, count)| json!({ "value": value, "count": count }));
        facets.insert(key, values.collect());
    }
    Ok(text(StatusCode::OK, json!({ "facets": facets }).to_string()))
}

/// `POST /refresh`
pub(super) async fn refresh(state: State<App>, request: Request) -> Response {
    answer(state, request, true, async |mut asked| {
        let body = params::body(&mut asked).await?;
        let reference = params::needed(&body, "entityRef")?;
        asked.app.refresh_entity(&asked.ctx, &reference).await?;
        Ok(empty(StatusCode::OK))
    })
    .await
}

/// `POST /validate-entity`: nothing where it is right, else what is wrong.
pub(super) async fn validate(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let body = params::body(&mut asked).await?;
        let location = params::needed(&body, "location")?;
        let entity = match body.get("entity") {
            Some(entity @ Value::Object(_)) => entity,
            Some(_) => return Err(Refused::input("request/body/entity must be object")),
            None => {
                let why = "request/body must have required property 'entity'";
                return Err(Refused::input(why));
            }
        };
        let errors = asked.app.validate_entity(&asked.ctx, entity, &location);
        Ok(if errors.is_empty() {
            empty(StatusCode::OK)
        } else {
            text(StatusCode::BAD_REQUEST, json!({ "errors": errors }).to_string())
        })
    })
    .await
}
