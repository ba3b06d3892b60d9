//! The catalog as clients of Backstage ask for it: its entities in its form, among what the asker may see. Only the
//! catalog's own kinds are in it. What is asked comes as texts, as those clients write it; the forms are read in
//! `formats`.
//!
//! Where it differs: entities that lack the key they are ordered by come last and are not left out; one with several
//! values for it stands once, by its first; totals are exact on every page.

mod location;
mod validate;

pub use location::{LocationAsked, LocationSeen, LocationsFound, Registered};
pub use validate::EntityError;

use crate::{App, AppError, Call, Handle, OpCtx, handle::internal};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::Nothing;
use tow_api::object::{delete::DeleteObject, get};
use tow_formats::Known;
use tow_formats::backstage::{self, Place};
use tow_model::Kind;
use tow_model::query::{Filter, Key, MOST_ROWS, Order, Query};
use tow_names::{Digest, EntityRef};
use tow_policy::visible;
use tow_record::{LocationState, Right};
use tow_store::Found;

/// How many entities a page has where nothing is said.
const USUAL: u32 = 200;

/// How many entities are asked for by reference at once.
const MOST_REFS: usize = 10_000;

/// Which entities, as a client writes it.
#[derive(Debug, Clone, Default)]
pub struct EntitiesAsked {
    /// `filter=`: between several, one must hold.
    pub filters: Vec<String>,
    /// A predicate; holds beside the filters.
    pub query: Option<Value>,
    /// `orderField=`: `FIELD,asc`.
    pub order_fields: Vec<String>,
    /// `order=`: `asc:FIELD`.
    pub orders: Vec<String>,
    /// Field and direction.
    pub order_by: Vec<(String, String)>,
    /// What some value must have in it.
    pub text: Option<String>,
    /// Of which fields; of the first it is ordered by, or of the uid, where nothing is said.
    pub text_fields: Vec<String>,
    /// A place in a list; everything above is then read from it.
    pub cursor: Option<String>,
    /// How many to pass over.
    pub offset: u32,
    /// At most so many.
    pub limit: Option<u32>,
    /// Count them.
    pub total: bool,
    /// Only these fields; none: whole entities.
    pub fields: Vec<String>,
    /// By reference where no order is given, and not by uid.
    pub by_reference: bool,
    /// It was asked in a body: what is asked may be too long for an address.
    pub long: bool,
}

/// A page of entities.
#[derive(Debug, Default)]
pub struct EntitiesFound {
    /// JSON of each.
    pub items: Vec<Box<RawValue>>,
    /// How many there are; 0 where nobody asked.
    pub total: i64,
    /// The page after.
    pub next: Option<String>,
    /// The page before.
    pub previous: Option<String>,
}

/// An entity, and the entities that made it come in.
#[derive(Debug)]
pub struct Ancestor {
    /// JSON.
    pub entity: Box<RawValue>,
    /// References.
    pub parents: Vec<String>,
}

fn bad(message: String) -> AppError {
    AppError::new("query/syntax", message)
}

/// The catalog's kinds, as far as the actor sees them.
fn scope(ctx: &OpCtx) -> Filter {
    let kinds = Kind::ALL.iter().filter(|kind| kind.is_catalog());
    Filter::any_of("kind", kinds.map(|kind| kind.as_str())).and(visible(&ctx.actor))
}

fn asked_filter(filters: &[String], query: Option<&Value>) -> Result<Filter, AppError> {
    let filter = backstage::parse_filters(filters).map_err(bad)?;
    match query {
        None => Ok(filter),
        Some(query) => Ok(filter.and(backstage::parse_predicate(query).map_err(bad)?)),
    }
}

/// Each once, without blanks; those of a list's items are refused.
fn asked_fields(fields: &[String]) -> Result<Vec<String>, AppError> {
    let mut kept: Vec<String> = Vec::new();
    for field in fields.iter().flat_map(|field| field.split(',')).map(str::trim) {
        if field.contains('[') {
            let why = format!("Invalid field \"{field}\", array type fields are not supported");
            return Err(AppError::new("query/field", why));
        }
        if !field.is_empty() && kept.iter().all(|known| known != field) {
            kept.push(field.to_string());
        }
    }
    Ok(kept)
}

impl EntitiesAsked {
    /// What is asked for, from where, and whether it is counted.
    fn place(&self) -> Result<(Filter, Vec<Order>, bool), AppError> {
        let mut orders = Vec::new();
        for text in &self.order_fields {
            orders.push(backstage::parse_order_field(text).map_err(bad)?);
        }
        for text in &self.orders {
            orders.push(backstage::parse_order_param(text).map_err(bad)?);
        }
        for (field, direction) in &self.order_by {
            orders.push(backstage::ordered(field, direction).map_err(bad)?);
        }
        let mut orders = backstage::distinct_orders(orders);
        let mut filter = asked_filter(&self.filters, self.query.as_ref())?;
        if let Some(text) = self.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            let first = orders.first().map_or("metadata.uid", |order| order.key.as_str());
            let fields: Vec<&str> = self.text_fields.iter().map(String::as_str).collect();
            let fields = if fields.is_empty() { vec![first] } else { fields };
            filter = filter.and(Filter::contains(fields, text));
        }
        if orders.is_empty() {
            orders = vec![Order::by(if self.by_reference { "ref" } else { "metadata.uid" })];
        }
        Ok((filter, orders, self.total))
    }
}

impl App {
    /// A page of entities.
    pub async fn entities(
        &self,
        ctx: &OpCtx,
        asked: &EntitiesAsked,
    ) -> Result<EntitiesFound, AppError> {
        let fields = asked_fields(&asked.fields)?;
        let limit = asked.limit.unwrap_or(USUAL).min(MOST_ROWS);
        let (query, long) = match &asked.cursor {
            Some(text) => {
                let place = backstage::parse_place(text).map_err(bad)?;
                let cursor = Some(place.cursor);
                let (order, total) = (place.orders, place.total);
                (Query { cursor, order, total, ..Query::of(place.filter, limit) }, place.long)
            }
            None => {
                let (filter, order, total) = asked.place()?;
                let offset = asked.offset;
                (Query { offset, order, total, ..Query::of(filter, limit) }, asked.long)
            }
        };
        let query = Query { scope: scope(ctx), ..query };
        let relations = fields.is_empty() || fields.iter().any(|field| field == "relations");
        let page = self.store().query(&query, relations).await?;
        let items = self.entities_shown(&page.rows, &fields).await?;
        let text = |cursor: Option<tow_model::query::Cursor>| {
            cursor.map(|cursor| {
                let (filter, orders) = (query.filter.clone(), query.order.clone());
                let place = Place { filter, orders, cursor, total: query.total, long };
                backstage::place_text(&place)
            })
        };
        // Backstage shows no way back on a first page, wherever it begins.
        let before = page.before.filter(|_| asked.cursor.is_some());
        Ok(EntitiesFound {
            items,
            total: page.total.unwrap_or_default(),
            next: text(page.after),
            previous: text(before),
        })
    }

    /// Entities by their canonical references, each in its place; none for one that is not there or does not pass.
    pub async fn entities_by_refs(
        &self,
        ctx: &OpCtx,
        references: &[String],
        asked: &EntitiesAsked,
    ) -> Result<Vec<Option<Box<RawValue>>>, AppError> {
        if references.len() > MOST_REFS {
            return Err(bad(format!("entityRefs: at most {MOST_REFS} are answered at once")));
        }
        let fields = asked_fields(&asked.fields)?;
        let filter = asked_filter(&asked.filters, asked.query.as_ref())?.and(scope(ctx));
        let distinct: BTreeSet<&String> = references.iter().collect();
        let distinct: Vec<String> = distinct.into_iter().cloned().collect();
        let relations = fields.is_empty() || fields.iter().any(|field| field == "relations");
        let found = self.store().find(&distinct, &filter, relations).await?;
        let shown = self.entities_shown(&found, &fields).await?;
        let of: BTreeMap<&str, Box<RawValue>> =
            found.iter().map(|found| found.reference.as_str()).zip(shown).collect();
        Ok(references.iter().map(|reference| of.get(reference.as_str()).cloned()).collect())
    }

    /// One entity by kind, namespace and name, in any case.
    pub async fn entity_by_name(
        &self,
        ctx: &OpCtx,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Box<RawValue>, AppError> {
        let reference = format!("{kind}:{namespace}/{name}").to_lowercase();
        let mut found = self.entities_by_refs(ctx, &[reference], &EntitiesAsked::default()).await?;
        found.pop().flatten().ok_or_else(|| {
            let what = format!(
                "No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'"
            );
            AppError::new("object/not-found", what)
        })
    }

    /// One entity by its uid.
    pub async fn entity_by_uid(&self, ctx: &OpCtx, uid: &str) -> Result<Box<RawValue>, AppError> {
        let found = self.found_by_uid(ctx, uid).await?;
        let shown = self.entities_shown(found.as_slice(), &[]).await?.pop();
        shown.ok_or_else(|| AppError::new("object/not-found", format!("No entity with uid {uid}")))
    }

    async fn found_by_uid(&self, ctx: &OpCtx, uid: &str) -> Result<Option<Found>, AppError> {
        let query = Query { scope: scope(ctx), ..Query::of(Filter::is("metadata.uid", uid), 1) };
        Ok(self.store().query(&query, true).await?.rows.pop())
    }

    /// Deletes an entity by its uid; nothing happens where there is none.
    pub async fn delete_entity(&self, ctx: &OpCtx, uid: &str) -> Result<(), AppError> {
        self.admit(ctx, Right::Declare)?;
        match self.found_by_uid(ctx, uid).await? {
            Some(found) => self.delete_found(ctx, &found).await,
            None => Ok(()),
        }
    }

    async fn delete_found(&self, ctx: &OpCtx, found: &Found) -> Result<(), AppError> {
        let entity = EntityRef::try_from(found.reference.clone()).map_err(internal)?;
        let path = get::Path {
            kind: entity.kind().into(),
            namespace: entity.namespace().to_string(),
            name: entity.name().to_string(),
        };
        let (query, body) = (Nothing {}, Nothing {});
        let call = Call::<DeleteObject> { path, query, body, idempotency_key: None };
        Box::pin(self.handle(ctx, call)).await.map(|_| ())
    }

    /// For each key its values as they are written, by value, with the number of entities.
    pub async fn entity_facets(
        &self,
        ctx: &OpCtx,
        keys: &[String],
        asked: &EntitiesAsked,
    ) -> Result<Vec<Vec<(String, i64)>>, AppError> {
        let filter = asked_filter(&asked.filters, asked.query.as_ref())?.and(scope(ctx));
        let keys: Vec<Key> = keys.iter().map(|key| Key::new(key)).collect();
        Ok(self.store().facets(&filter, &keys).await?)
    }

    /// An entity and what made it come in: the location it is from, and so on.
    pub async fn entity_ancestry(
        &self,
        ctx: &OpCtx,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<(String, Ancestor)>, AppError> {
        let reference = format!("{kind}:{namespace}/{name}").to_lowercase();
        let (mut next, mut items) = (Some(reference.clone()), Vec::new());
        let mut seen = BTreeSet::new();
        while let Some(one) = next.take().filter(|one| seen.insert(one.clone())) {
            let found = self.store().find(std::slice::from_ref(&one), &scope(ctx), true).await?;
            let Some(shown) = self.entities_shown(&found, &[]).await?.pop() else { break };
            let parent = found.first().and_then(|found| found.source.clone());
            let parent = parent.filter(|source| source.starts_with(tow_plan::LOCATION));
            let parents = match &parent {
                Some(parent) if self.seen_entity(ctx, parent).await? => vec![parent.clone()],
                _ => Vec::new(),
            };
            next = parents.first().cloned();
            items.push((one, Ancestor { entity: shown, parents }));
        }
        if items.is_empty() {
            let why = format!("No such entity {reference}");
            return Err(AppError::new("object/not-found", why));
        }
        Ok(items)
    }

    async fn seen_entity(&self, ctx: &OpCtx, reference: &str) -> Result<bool, AppError> {
        let found = self.store().find(&[reference.to_string()], &scope(ctx), false).await?;
        Ok(!found.is_empty())
    }

    /// In Backstage's form; only the fields, where some are given.
    async fn entities_shown(
        &self,
        rows: &[Found],
        fields: &[String],
    ) -> Result<Vec<Box<RawValue>>, AppError> {
        let states = self.states_of(rows).await?;
        let shown = rows.iter().map(|row| {
            let entity = entity(row, states.get(row.reference.as_str()))?;
            if fields.is_empty() {
                return Ok(entity);
            }
            let value: Value = serde_json::from_str(entity.get()).map_err(internal)?;
            let value = tow_formats::selected(&value, fields);
            RawValue::from_string(value.to_string()).map_err(internal)
        });
        shown.collect()
    }

    /// How those that are locations were found.
    pub(crate) async fn states_of(
        &self,
        rows: &[Found],
    ) -> Result<BTreeMap<String, LocationState>, AppError> {
        let locations = rows.iter().filter(|row| row.kind == "location");
        let ids: Vec<String> = locations.map(|row| row.reference.clone()).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let states = self.store().get_many::<LocationState>(ids).await?;
        Ok(states.into_iter().map(|(id, row)| (id, row.value)).collect())
    }
}

fn entity(found: &Found, state: Option<&LocationState>) -> Result<Box<RawValue>, AppError> {
    let items = state.map(|state| state.items.as_slice()).unwrap_or_default();
    let status = (!items.is_empty()).then(|| json!({ "items": items }).to_string());
    let mut hashed = found.body.clone();
    for (kind, target) in &found.relations {
        hashed.push_str(kind);
        hashed.push_str(target);
    }
    hashed.push_str(status.as_deref().unwrap_or_default());
    let etag = Digest::of(hashed.as_bytes()).hex()[..40].to_string();
    let known = Known {
        metadata: &[("uid", json!(found.uid)), ("etag", json!(etag))],
        relations: Some(&found.relations),
        status: status.as_deref(),
    };
    tow_formats::served(&found.body, &known).map_err(internal)
}
