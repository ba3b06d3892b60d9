//! Locations: how they were found, what one would bring in, and asking for a look. Reading and writing them is a
//! controller's; here is only what people and forges ask.

use crate::object::read_all;
use crate::{
    App, AppError, Call, Handle, OpCtx,
    handle::{body, internal},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::Action;
use tow_api::location::{
    get::{GetLocation, Path, Query},
    list::{self, ListLocations, LocationView},
    preview::{self, PreviewLocation, Would},
    push_secret::{self, CreatePushSecret},
    refresh::{self, RefreshLocation},
};
use tow_formats::{Document, hub_signature};
use tow_model::{Kind, Manifest, Spec};
use tow_names::{EntityRef, Id, Name, Namespace};
use tow_plan::location::{Named, changes, rules, source_of};
use tow_plan::{LOCATION, removals};
use tow_policy::Object;
use tow_ports::LocationRead;
use tow_record::{
    Kept, LocationAsk, LocationHook, LocationState, Operation, Placement, State, Verdict,
};
use tow_store::{Find, ObjectRow, Row};

/// So many changes are told of one preview.
const TOLD: usize = 10_000;

fn reference(path: &Path, query: &Query) -> Result<EntityRef, AppError> {
    let bad = |error: tow_names::NameError| AppError::new("input/invalid", error.to_string());
    let namespace = match query.namespace.as_deref() {
        None | Some("") => Namespace::default(),
        Some(text) => Namespace::new(text.to_ascii_lowercase()).map_err(bad)?,
    };
    let name = Name::new(path.name.clone()).map_err(bad)?;
    Ok(EntityRef::new(Kind::Location.as_str(), &namespace, &name))
}

fn view(row: &ObjectRow, state: Option<&LocationState>, asked: bool, push: bool) -> LocationView {
    let rules = rules(&row.manifest);
    let read = match &row.manifest.spec {
        Spec::Location(spec) => spec.targets().ok(),
        _ => None,
    };
    let (source, targets) =
        read.map_or_else(Default::default, |(kind, targets)| (kind.as_str().to_string(), targets));
    let how = match state {
        None => State::Waiting,
        Some(state) if !state.failed() => State::Live,
        Some(state) if state.objects > 0 || state.good_at.is_some() => State::Degraded,
        Some(_) => State::Failed,
    };
    LocationView {
        location: row.manifest.entity().to_string(),
        source,
        targets,
        state: how,
        allow: rules.allow.iter().map(|kind| kind.as_str().to_string()).collect(),
        every: rules.every,
        keep_orphans: rules.keep,
        objects: state.map_or(0, |state| state.objects),
        files: state.map_or(0, |state| state.files),
        revision: state.map_or(String::new(), |state| state.revision.clone()),
        looked_at: state.map(|state| state.looked_at),
        good_at: state.and_then(|state| state.good_at),
        due: state.map(|state| state.due),
        asked,
        push,
        items: state.map_or_else(Vec::new, |state| state.items.clone()),
    }
}

impl App {
    /// A location that is looked at by itself.
    async fn location_row(&self, location: &EntityRef) -> Result<ObjectRow, AppError> {
        let row =
            self.store().object(location).await?.ok_or_else(|| {
                AppError::not_found(location).hint("tow location list names them")
            })?;
        if row.source.starts_with(LOCATION) {
            let message = format!("{location} is part of {}", row.source);
            return Err(AppError::new("input/invalid", message)
                .hint("it is looked at together with that one"));
        }
        Ok(row)
    }

    /// How a location was found, for its status.
    pub(crate) async fn location_state(
        &self,
        location: &EntityRef,
    ) -> Result<Option<LocationState>, AppError> {
        let row = self.store().get::<LocationState>(&location.to_string()).await?;
        Ok(row.map(|row| row.value))
    }

    /// The push hook of a location: who signs with its secret makes it be looked at. Answers the same whether there is no
    /// such location, no secret, or a wrong signature.
    pub async fn push_location(
        &self,
        request: &str,
        path: &Path,
        query: &Query,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<(), AppError> {
        let refused = || {
            AppError::new("location/push", "the push is not signed with the location's secret")
                .hint(
                    "tow location push-secret NAME makes one; the forge sends X-Hub-Signature-256",
                )
        };
        let location = reference(path, query).map_err(|_| refused())?;
        let hook = self.store().get::<LocationHook>(&location.to_string()).await?;
        let secret = match &hook {
            Some(row) => {
                let context = LocationHook::context(&row.value.location);
                self.parts.keys.open(&context, &row.value.secret).map_err(internal)?
            }
            // As much work as where there is one.
            None => Id::secret().into_bytes(),
        };
        let fits = hub_signature::verify(&secret, body, signature.unwrap_or_default());
        if !fits || hook.is_none() {
            return Err(refused());
        }
        let ctx = OpCtx { request: request.to_string(), ..OpCtx::system("push") };
        let mut batch = tow_store::Batch::new();
        self.ask(&ctx, &location, &mut batch).await?;
        if !batch.is_empty() {
            self.store().commit(batch).await?;
        }
        Ok(())
    }

    /// Asks for a look, unless one is asked for already.
    async fn ask(
        &self,
        ctx: &OpCtx,
        location: &EntityRef,
        batch: &mut tow_store::Batch,
    ) -> Result<tow_names::Timestamp, AppError> {
        if let Some(row) = self.store().get::<LocationAsk>(&location.to_string()).await? {
            return Ok(row.value.at);
        }
        let ask =
            LocationAsk { location: location.clone(), at: self.now(), by: ctx.actor.name.clone() };
        batch.upsert(&ask);
        let what = body(format!("{location} is to be read now"), Value::Null, Value::Null);
        batch.event(self.event(ctx, "location.asked", location.to_string(), what));
        Ok(ask.at)
    }
}

impl Handle<ListLocations> for App {
    async fn handle(&self, _: &OpCtx, _: Call<ListLocations>) -> Result<list::Reply, AppError> {
        let rows = self.store().objects(Some(Kind::Location)).await?;
        let states: BTreeMap<EntityRef, LocationState> = self
            .store()
            .list::<LocationState>(Find::default())
            .await?
            .into_iter()
            .map(|row: Row<LocationState>| (row.value.location.clone(), row.value))
            .collect();
        let asks = self.store().list::<LocationAsk>(Find::default()).await?;
        let asks: BTreeSet<EntityRef> = asks.into_iter().map(|row| row.value.location).collect();
        let hooks = self.store().list::<LocationHook>(Find::default()).await?;
        let hooks: BTreeSet<EntityRef> = hooks.into_iter().map(|row| row.value.location).collect();
        let items = rows.iter().filter(|row| !row.source.starts_with(LOCATION)).map(|row| {
            let entity = row.manifest.entity();
            view(row, states.get(&entity), asks.contains(&entity), hooks.contains(&entity))
        });
        Ok(list::Reply { items: items.collect() })
    }
}

impl Handle<GetLocation> for App {
    async fn handle(&self, _: &OpCtx, call: Call<GetLocation>) -> Result<LocationView, AppError> {
        let location = reference(&call.path, &call.query)?;
        let row = self.location_row(&location).await?;
        let id = location.to_string();
        let state = self.location_state(&location).await?;
        let asked = self.store().get::<LocationAsk>(&id).await?.is_some();
        let push = self.store().get::<LocationHook>(&id).await?.is_some();
        Ok(view(&row, state.as_ref(), asked, push))
    }
}

impl Handle<RefreshLocation> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<RefreshLocation>,
    ) -> Result<refresh::Reply, AppError> {
        self.write(ctx, &call, async |batch| {
            self.authorize(ctx, Action::Govern, &Object::platform())?;
            let location = reference(&call.path, &call.query)?;
            self.location_row(&location).await?;
            let asked_at = self.ask(ctx, &location, batch).await?;
            Ok(refresh::Reply { location: location.to_string(), asked_at })
        })
        .await
    }
}

impl Handle<CreatePushSecret> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<CreatePushSecret>,
    ) -> Result<push_secret::Reply, AppError> {
        let (mut reply, secret) = self
            .write_showing(ctx, &call, async |batch| {
                self.authorize(ctx, Action::Govern, &Object::platform())?;
                let location = reference(&call.path, &call.query)?;
                self.location_row(&location).await?;
                let secret = Id::secret();
                let context = LocationHook::context(&location);
                let sealed = self.parts.keys.seal(&context, secret.as_bytes()).map_err(internal)?;
                batch.upsert(&LocationHook {
                    location: location.clone(),
                    secret: sealed,
                    created_by: ctx.actor.name.clone(),
                    created_at: self.now(),
                });
                let summary = format!("the push hook of {location} has a new secret");
                let what = body(summary, Value::Null, json!({ "location": location }));
                let subject = location.to_string();
                batch.event(self.event(ctx, "location.hook-created", subject, what));
                let namespace = location.namespace().as_str();
                let query = match namespace {
                    "default" => String::new(),
                    namespace => format!("?namespace={namespace}"),
                };
                let path = format!("/api/v1/locations/{}/push{query}", location.name());
                let reply =
                    push_secret::Reply { location: location.to_string(), path, secret: None };
                Ok((reply, secret))
            })
            .await?;
        reply.secret = secret;
        Ok(reply)
    }
}

impl Handle<PreviewLocation> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<PreviewLocation>,
    ) -> Result<preview::Reply, AppError> {
        self.authorize(ctx, Action::Govern, &Object::platform())?;
        let read = read_all(std::slice::from_ref(&call.body.document))?;
        let mut documents = read.into_iter().flatten();
        let location = match (documents.next(), documents.next()) {
            (Some(Document::Manifest(manifest)), None) if manifest.kind == Kind::Location => {
                manifest
            }
            _ => {
                let why = "a preview is of one document with one Location in it";
                return Err(AppError::new("input/invalid", why));
            }
        };
        self.preview(&location).await
    }
}

impl App {
    async fn preview(&self, location: &Manifest) -> Result<preview::Reply, AppError> {
        let entity = location.entity();
        let rules = rules(location);
        let mut items = rules.items.clone();
        let mut reply = preview::Reply {
            location: entity.to_string(),
            objects: Vec::new(),
            total: 0,
            files: 0,
            items: Vec::new(),
        };
        let files = match self.parts.locations.read(location, None).await {
            LocationRead::Files(files) => files,
            LocationRead::Nothing(said) => {
                items.extend(said);
                return Ok(preview::Reply { items, ..reply });
            }
            LocationRead::Unchanged => return Err(internal("nothing was known of the location")),
        };
        items.extend(files.items);
        reply.files = files.files;
        if !files.refused {
            let at: BTreeMap<EntityRef, String> =
                files.named.iter().map(|(m, at)| (m.entity(), at.clone())).collect();
            let named: BTreeMap<EntityRef, Named> = files
                .named
                .into_iter()
                .map(|(manifest, at)| (manifest.entity(), Named { manifest, at }))
                .collect();
            let names: Vec<EntityRef> = named.keys().cloned().collect();
            let found = self.store().objects_by(&names).await?;
            let found = found.iter().map(|row| (row.manifest.entity(), kept(row))).collect();
            let held = self.store().objects_of(&source_of(&entity)).await?;
            let held = files.complete.then(|| held.iter().map(kept).collect::<Vec<_>>());
            let running = match &held {
                Some(held) if !removals(held.clone(), &names.into_iter().collect()).is_empty() => {
                    self.running().await?
                }
                _ => BTreeSet::new(),
            };
            let decided = changes(&entity, &rules, named, found, held, &running);
            reply.total = decided.objects;
            items.extend(decided.items);
            let would = decided.changes.iter().take(TOLD).map(|change| Would {
                entity: change.entity.to_string(),
                verdict: change.verdict,
                at: match change.verdict {
                    Verdict::Removed => String::new(),
                    _ => at.get(&change.entity).cloned().unwrap_or_default(),
                },
            });
            reply.objects = would.collect();
            reply.objects.sort_by(|a, b| a.entity.cmp(&b.entity));
        }
        Ok(preview::Reply { items, ..reply })
    }

    /// Components of which something runs or is being changed.
    async fn running(&self) -> Result<BTreeSet<EntityRef>, AppError> {
        let open = Find { open: Some(true), ..Find::default() };
        let operations = self.store().list::<Operation>(open).await?;
        let placements = self.store().list::<Placement>(Find::default()).await?;
        let busy = operations.into_iter().map(|row| row.value.place);
        let serving = placements.into_iter().filter(|row| !row.value.serving.is_empty());
        Ok(busy.chain(serving.map(|row| row.value.place)).map(|place| place.component).collect())
    }
}

fn kept(row: &ObjectRow) -> Kept {
    Kept {
        manifest: row.manifest.clone(),
        version: row.version,
        generation: row.generation,
        source: row.source.clone(),
    }
}
