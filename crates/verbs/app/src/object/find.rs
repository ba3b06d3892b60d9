//! Finding objects: a page of what passes a query, the values keys have, one object. What the asker may not see is part
//! of the question and so never read.

use crate::{App, AppError, Call, Handle, OpCtx, handle::internal};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tow_api::object::{
    facets::{self, Facet, GetFacets},
    get::{GetObject, ObjectView},
    list::{self, FindObjects, ListObjects},
};
use tow_formats::{Known, QueryError};
use tow_model::query::{Filter, Key, Order, Query};
use tow_policy::visible;
use tow_record::LocationState;
use tow_store::Found;

/// How many objects a page has where nothing is said, and how many at most.
const USUAL: u32 = 100;
const MOST: u32 = 1000;
/// How many values a facet has where nothing is said.
const VALUES: u32 = 50;
/// How many keys facets are asked of at once.
const MOST_KEYS: usize = 20;

/// A query's filter from its text.
fn filter(text: Option<&str>) -> Result<Filter, AppError> {
    let text = text.unwrap_or_default();
    tow_formats::parse_query(text).map_err(|error| wrong("query/syntax", "the query", &error))
}

fn wrong(code: &str, what: &str, error: &QueryError) -> AppError {
    let QueryError { column, message, expected } = error;
    AppError::new(code, format!("{what}, column {column}: {message}"))
        .hint(format!("expected {expected}"))
}

fn orders(text: Option<&str>) -> Result<Vec<Order>, AppError> {
    match text.filter(|text| !text.trim().is_empty()) {
        None => Ok(Vec::new()),
        Some(text) => tow_formats::parse_order(text)
            .map_err(|error| wrong("query/order", "the order", &error)),
    }
}

/// The fields that are asked for; none: all of them.
pub(crate) fn fields(text: Option<&str>) -> Result<Vec<String>, AppError> {
    let each = text.unwrap_or_default().split(',').map(str::trim).filter(|field| !field.is_empty());
    let fields: Vec<String> = each.map(String::from).collect();
    match fields.iter().find(|field| field.contains('[')) {
        None => Ok(fields),
        Some(field) => {
            Err(AppError::new("query/field", format!("{field:?}: a list is selected whole"))
                .hint("a path with dots, as in metadata.tags"))
        }
    }
}

/// As the API shows it: with uid, generation, relations, its source where it has one, and when and by whom it was made.
fn view(found: &Found, state: Option<&LocationState>) -> Result<ObjectView, AppError> {
    let mut status: Map<String, Value> = match &found.status {
        Some(text) => serde_json::from_str(text).map_err(internal)?,
        None => Map::new(),
    };
    if let Some(state) = state.filter(|state| !state.items.is_empty()) {
        status.insert("items".into(), json!(state.items));
    }
    if let Some(source) = found.source.as_deref().filter(|source| !source.is_empty()) {
        status.insert("source".into(), json!(source));
    }
    status.insert("createdAt".into(), json!(found.created_at));
    status.insert("updatedAt".into(), json!(found.updated_at));
    status.insert("createdBy".into(), json!(found.created_by));
    let status = Value::Object(status).to_string();
    let known = Known {
        metadata: &[("uid", json!(found.uid)), ("generation", json!(found.generation))],
        relations: Some(&found.relations),
        status: Some(&status),
    };
    tow_formats::served(&found.body, &known).map(ObjectView::new).map_err(internal)
}

fn selected(view: ObjectView, fields: &[String]) -> Result<ObjectView, AppError> {
    if fields.is_empty() {
        return Ok(view);
    }
    let value = tow_formats::selected(&Value::Object(view.members()), fields);
    RawValue::from_string(value.to_string()).map(ObjectView::new).map_err(internal)
}

impl App {
    /// A page of what passes.
    async fn page(
        &self,
        ctx: &OpCtx,
        kind: Option<&str>,
        asked: &list::Query,
    ) -> Result<list::Reply, AppError> {
        let mut filter = filter(asked.q.as_deref())?;
        if let Some(kind) = kind {
            filter = Filter::is("kind", kind).and(filter);
        }
        let fields = fields(asked.fields.as_deref())?;
        let mut query = Query {
            scope: visible(&ctx.actor),
            order: orders(asked.order.as_deref())?,
            total: asked.total,
            ..Query::of(filter, asked.limit.unwrap_or(USUAL).min(MOST))
        };
        if let Some(from) = asked.from.as_deref() {
            let cursor = tow_formats::parse_cursor(from, &query.orders());
            query.cursor = Some(cursor.ok_or_else(|| {
                AppError::new("query/cursor", "from: it is no place in a list of this order")
                    .hint("the next or previous of a page of the same query, as it was given")
            })?);
        }
        let relations = fields.is_empty() || fields.iter().any(|field| field == "relations");
        let page = self.store().query(&query, relations).await?;
        let orders = query.orders();
        let text = |cursor: &tow_model::query::Cursor| tow_formats::cursor_text(cursor, &orders);
        let states = self.states_of(&page.rows).await?;
        let items = page
            .rows
            .iter()
            .map(|row| selected(view(row, states.get(row.reference.as_str()))?, &fields));
        Ok(list::Reply {
            items: items.collect::<Result<_, _>>()?,
            total: page.total,
            next: page.after.as_ref().map(text),
            previous: page.before.as_ref().map(text),
        })
    }
}

impl Handle<FindObjects> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<FindObjects>) -> Result<list::Reply, AppError> {
        self.page(ctx, None, &call.query).await
    }
}

impl Handle<ListObjects> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListObjects>) -> Result<list::Reply, AppError> {
        let kind = super::kind_of(&call.path.kind)?;
        self.page(ctx, Some(kind.as_str()), &call.query).await
    }
}

impl Handle<GetObject> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetObject>) -> Result<ObjectView, AppError> {
        let entity = super::entity_of(&call.path)?;
        let found = self.store().find(&[entity.to_string()], &visible(&ctx.actor), true).await?;
        let states = self.states_of(&found).await?;
        match found.first() {
            Some(found) => view(found, states.get(found.reference.as_str())),
            None => Err(AppError::not_found(&entity).next(format!("tow get {}", entity.kind()))),
        }
    }
}

impl Handle<GetFacets> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetFacets>) -> Result<facets::Reply, AppError> {
        let filter = filter(call.query.q.as_deref())?.and(visible(&ctx.actor));
        let names: Vec<&str> =
            call.query.keys.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() || names.len() > MOST_KEYS {
            return Err(AppError::new("query/order", format!("keys: {} are named", names.len()))
                .hint(format!("1 to {MOST_KEYS} keys, as in kind,type,tag")));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(names.len());
        for name in &names {
            let read = tow_formats::parse_order(name)
                .map_err(|error| wrong("query/order", "keys", &error))?;
            keys.extend(read.into_iter().map(|order| order.key));
        }
        let limit = call.query.limit.unwrap_or(VALUES).min(MOST) as usize;
        let found = self.store().facets(&filter, &keys).await?;
        let facets = names.iter().zip(found).map(|(name, mut values)| {
            let distinct = values.len() as u64;
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            values.truncate(limit);
            let values = values.into_iter().map(|(value, count)| facets::Value { value, count });
            Facet { key: (*name).to_string(), values: values.collect(), distinct }
        });
        Ok(facets::Reply { facets: facets.collect() })
    }
}
