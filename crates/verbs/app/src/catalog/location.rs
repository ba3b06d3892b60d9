//! Locations as Backstage's clients register them: each is a `Location` object of ours that was not itself read from
//! another one.

use super::{bad, scope};
use crate::{App, AppError, Call, Handle, OpCtx, handle::internal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tow_api::Nothing;
use tow_api::location::{get as at, refresh::RefreshLocation};
use tow_api::object::apply::{Apply, Body, Document};
use tow_formats::backstage::parse_predicate;
use tow_model::facts::{Facts, rows};
use tow_model::query::{Filter, MOST_ROWS, Order, Query};
use tow_model::{Manifest, Spec};
use tow_names::{Digest, EntityRef};
use tow_policy::Object;
use tow_ports::LocationRead;
use tow_record::{Level, Right};
use tow_store::Found;

/// How many locations a page has where nothing is said.
const USUAL: usize = 1_000;

/// A location, in Backstage's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationSeen {
    /// The object's uid.
    pub id: String,
    /// `url`, `file`, `git`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it reads.
    pub target: String,
    /// The object's reference.
    pub entity_ref: String,
}

/// A location to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationAsked {
    /// `url`, `file`, `git`.
    pub kind: String,
    /// What it is to read.
    pub target: String,
    /// `required` or `optional`.
    pub presence: Option<String>,
}

/// A page of locations.
#[derive(Debug, Default)]
pub struct LocationsFound {
    /// By id.
    pub items: Vec<LocationSeen>,
    /// How many there are.
    pub total: usize,
    /// The page after.
    pub next: Option<String>,
}

/// What registering gave, or would give.
#[derive(Debug)]
pub struct Registered {
    /// The location.
    pub location: LocationSeen,
    /// JSON of what it would bring in, itself first; only of a dry run.
    pub entities: Vec<Box<RawValue>>,
    /// It was there before.
    pub exists: bool,
}

fn seen(found: &Found) -> Option<LocationSeen> {
    if found.source.as_deref().is_some_and(|source| source.starts_with(tow_plan::LOCATION)) {
        return None;
    }
    let manifest: Manifest = serde_json::from_str(&found.body).ok()?;
    let Spec::Location(spec) = &manifest.spec else { return None };
    let (kind, targets) = spec.targets().ok()?;
    Some(LocationSeen {
        id: found.uid.clone(),
        // As it was written: `type:target` is what clients know it by.
        kind: spec.kind.clone().unwrap_or_else(|| kind.as_str().into()),
        target: targets.into_iter().next()?,
        entity_ref: found.reference.clone(),
    })
}

impl LocationAsked {
    /// The same location has the same name.
    fn document(&self) -> Value {
        let place = format!("{}:{}", self.kind, self.target);
        let name = format!("generated-{}", &Digest::of(place.as_bytes()).hex()[..40]);
        self.named("default", &name)
    }

    fn named(&self, namespace: &str, name: &str) -> Value {
        let mut spec = json!({ "type": self.kind, "target": self.target });
        if let Some(presence) = &self.presence {
            spec["presence"] = json!(presence);
        }
        json!({
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Location",
            "metadata": { "name": name, "namespace": namespace },
            "spec": spec,
        })
    }
}

impl App {
    /// All locations that are looked at by themselves.
    pub async fn locations(&self, ctx: &OpCtx) -> Result<Vec<LocationSeen>, AppError> {
        let order = vec![Order::by("metadata.uid")];
        let query = Query::of(Filter::is("kind", "location"), MOST_ROWS);
        let query = Query { scope: scope(ctx), order, ..query };
        let page = self.store().query(&query, false).await?;
        Ok(page.rows.iter().filter_map(seen).collect())
    }

    /// Those that a predicate over `id`, `type`, `target` and `entityRef` holds for, by id.
    pub async fn locations_by_query(
        &self,
        ctx: &OpCtx,
        predicate: Option<&Value>,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<LocationsFound, AppError> {
        let (after, limit, predicate) = match cursor {
            Some(text) => place(text).ok_or_else(|| bad("Malformed cursor".into()))?,
            None => (String::new(), limit.unwrap_or(USUAL), predicate.cloned()),
        };
        if limit == 0 {
            return Err(bad("Limit must be a positive integer >= 1".into()));
        }
        let filter = match &predicate {
            Some(predicate) => parse_predicate(predicate).map_err(bad)?,
            None => Filter::everything(),
        };
        only_of_locations(&filter)?;
        let all = self.locations(ctx).await?;
        let mut found: Vec<LocationSeen> =
            all.into_iter().filter(|location| filter.matches(&facts(location))).collect();
        let total = found.len();
        found.retain(|location| location.id > after);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| {
            let mut place = json!({ "limit": limit, "afterId": last.id });
            if let Some(predicate) = predicate {
                place["query"] = predicate;
            }
            STANDARD.encode(place.to_string())
        });
        Ok(LocationsFound { items: found, total, next })
    }

    /// A location by its id.
    pub async fn location_by_id(&self, ctx: &OpCtx, id: &str) -> Result<LocationSeen, AppError> {
        let found = self.found_by_uid(ctx, id).await?;
        found.as_ref().and_then(seen).ok_or_else(|| no_location(id))
    }

    /// The location an entity came from.
    pub async fn location_by_entity(
        &self,
        ctx: &OpCtx,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<LocationSeen, AppError> {
        let reference = format!("{kind}:{namespace}/{name}").to_lowercase();
        let none = || {
            let why = format!("found no location for entity {reference}");
            AppError::new("object/not-found", why)
        };
        let found = self.store().find(std::slice::from_ref(&reference), &scope(ctx), false).await?;
        let found = found.first().ok_or_else(none)?;
        if let Some(itself) = seen(found).filter(|_| found.kind == "location") {
            return Ok(itself);
        }
        let source = found.source.clone().filter(|source| source.starts_with(tow_plan::LOCATION));
        let source = source.ok_or_else(none)?;
        let location = self.store().find(&[source], &scope(ctx), false).await?;
        location.first().and_then(seen).ok_or_else(none)
    }

    /// Registers a location: makes the object, which is then read. Whether there is one already is said as `exists`.
    pub async fn register_location(
        &self,
        ctx: &OpCtx,
        asked: &LocationAsked,
    ) -> Result<Registered, AppError> {
        let document = asked.document();
        if let Some(there) = self.registered(ctx, asked).await? {
            return Ok(Registered { location: there, entities: Vec::new(), exists: true });
        }
        self.declare_location(ctx, &document).await?;
        let reference = reference_of(&document)?;
        let found = self.store().find(&[reference], &scope(ctx), false).await?;
        let location =
            found.first().and_then(seen).ok_or_else(|| internal("it was not written"))?;
        Ok(Registered { location, entities: Vec::new(), exists: false })
    }

    /// What registering would bring in. Nothing is written.
    pub async fn preview_location(
        &self,
        ctx: &OpCtx,
        asked: &LocationAsked,
    ) -> Result<Registered, AppError> {
        self.authorize(ctx, Right::Govern, &Object::platform())?;
        let document = asked.document();
        let manifest = self.valid_location(&document)?;
        let files = match self.parts.locations.read(&manifest, None).await {
            LocationRead::Files(files) => files,
            LocationRead::Nothing(items) => {
                let told: Vec<String> = items.into_iter().map(|item| item.message).collect();
                return Err(bad(told.join(", ")));
            }
            LocationRead::Unchanged => return Err(internal("nothing was known of the location")),
        };
        let wrong: Vec<String> = files
            .items
            .iter()
            .filter(|item| item.level == Level::Error)
            .map(|item| item.message.clone())
            .collect();
        if !wrong.is_empty() {
            return Err(bad(wrong.join(", ")));
        }
        let reference = reference_of(&document)?;
        let mut entities = Vec::with_capacity(files.named.len() + 1);
        let all =
            std::iter::once(&manifest).chain(files.named.iter().map(|(manifest, _)| manifest));
        for manifest in all {
            let text = serde_json::to_string(manifest).map_err(internal)?;
            entities.push(RawValue::from_string(text).map_err(internal)?);
        }
        let there = self.registered(ctx, asked).await?;
        let exists = there.is_some();
        let location = there.unwrap_or_else(|| LocationSeen {
            id: format!("{}:{}", asked.kind, asked.target),
            kind: asked.kind.clone(),
            target: asked.target.clone(),
            entity_ref: reference,
        });
        Ok(Registered { location, entities, exists })
    }

    async fn registered(
        &self,
        ctx: &OpCtx,
        asked: &LocationAsked,
    ) -> Result<Option<LocationSeen>, AppError> {
        let all = self.locations(ctx).await?;
        Ok(all.into_iter().find(|one| one.kind == asked.kind && one.target == asked.target))
    }

    /// Gives a location another target. None: another one has it already.
    pub async fn move_location(
        &self,
        ctx: &OpCtx,
        id: &str,
        asked: &LocationAsked,
    ) -> Result<Option<LocationSeen>, AppError> {
        let there = self.location_by_id(ctx, id).await?;
        if self.registered(ctx, asked).await?.is_some_and(|other| other.id != id) {
            return Ok(None);
        }
        let entity = EntityRef::try_from(there.entity_ref).map_err(internal)?;
        let document = asked.named(entity.namespace().as_str(), entity.name().as_str());
        self.declare_location(ctx, &document).await?;
        self.location_by_id(ctx, id).await.map(Some)
    }

    /// Takes a location away.
    pub async fn remove_location(&self, ctx: &OpCtx, id: &str) -> Result<(), AppError> {
        let found = self.found_by_uid(ctx, id).await?;
        match found.filter(|found| seen(found).is_some()) {
            Some(found) => self.delete_found(ctx, &found).await,
            None => Err(no_location(id)),
        }
    }

    /// Has the location looked at that an entity came from. One that came from none is as fresh as it can be.
    pub async fn refresh_entity(&self, ctx: &OpCtx, reference: &str) -> Result<(), AppError> {
        let lower = reference.to_lowercase();
        let found = self.store().find(&[lower], &scope(ctx), false).await?;
        let Some(found) = found.first() else {
            let why = format!("Entity {reference} not found");
            return Err(AppError::new("object/not-found", why));
        };
        let source = found.source.clone().filter(|source| source.starts_with(tow_plan::LOCATION));
        let location = match source {
            Some(source) => source,
            None if seen(found).is_some() => found.reference.clone(),
            None => return Ok(()),
        };
        let entity = EntityRef::try_from(location).map_err(internal)?;
        let path = at::Path { name: entity.name().to_string() };
        let query = at::Query { namespace: Some(entity.namespace().to_string()) };
        let call = Call::<RefreshLocation> { path, query, body: Nothing {}, idempotency_key: None };
        Box::pin(self.handle(ctx, call)).await.map(|_| ())
    }

    async fn declare_location(&self, ctx: &OpCtx, document: &Value) -> Result<(), AppError> {
        self.valid_location(document)?;
        let body = Body::of(vec![Document::new("location", document.to_string())]);
        let (path, query) = (Nothing {}, Nothing {});
        let call = Call::<Apply> { path, query, body, idempotency_key: None };
        Box::pin(self.handle(ctx, call)).await.map(|_| ())
    }

    /// A location as it would be declared; one that can't be read at all is refused.
    fn valid_location(&self, document: &Value) -> Result<Manifest, AppError> {
        let manifest = super::validate::manifest(document).map_err(|errors| {
            bad(errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join(", "))
        })?;
        self.parts.locations.check(&manifest).map_err(|error| bad(error.to_string()))?;
        Ok(manifest)
    }
}

fn reference_of(document: &Value) -> Result<String, AppError> {
    let manifest: Manifest = serde_json::from_value(document.clone()).map_err(internal)?;
    Ok(manifest.entity().to_string())
}

fn no_location(id: &str) -> AppError {
    AppError::new("object/not-found", format!("Found no location with ID {id}"))
}

/// What a predicate asks of a location.
fn facts(location: &LocationSeen) -> Facts {
    let document = serde_json::to_value(location).unwrap_or_default();
    Facts { rows: rows(&document).into_iter().collect(), ..Facts::default() }
}

fn only_of_locations(filter: &Filter) -> Result<(), AppError> {
    let key = match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            return parts.iter().try_for_each(only_of_locations);
        }
        Filter::Not(inner) => return only_of_locations(inner),
        Filter::Text(_) => return Ok(()),
        Filter::Exists(key) | Filter::In(key, _) | Filter::Prefix(key, _) => key,
        Filter::Contains(key, _) => key,
    };
    match key.as_str() {
        "id" | "type" | "target" | "entityref" => Ok(()),
        other => Err(bad(format!("Invalid filter predicate: a location has no field \"{other}\""))),
    }
}

/// The last id, the limit and the predicate of a page before.
fn place(text: &str) -> Option<(String, usize, Option<Value>)> {
    let bytes = STANDARD.decode(text).ok()?;
    let place: Value = serde_json::from_slice(&bytes).ok()?;
    let limit = usize::try_from(place.get("limit")?.as_u64()?).ok()?;
    Some((place.get("afterId")?.as_str()?.to_string(), limit, place.get("query").cloned()))
}
