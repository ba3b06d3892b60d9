//! Declared objects: apply, list, get, delete.

use crate::{
    App, AppError, Call, Handle, OpCtx,
    handle::{body, internal},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tow_api::Action;
use tow_api::object::{
    apply::{self, Applied, Apply, Verdict},
    delete::{self, DeleteObject},
    get::{GetObject, ObjectView, Path},
    list::{self, ListObjects},
};
use tow_formats::Document;
use tow_model::{Invalid, Kind, Manifest, Ownership, Spec};
use tow_names::{EntityRef, Id, Name, Namespace, Place};
use tow_policy::Object;
use tow_record::{Operation, Placement, Violation};
use tow_store::{Batch, Find, ObjectRow};

/// Who owns it, as far as rights are concerned. What belongs to a component is asked of the component.
pub(crate) fn owned(manifest: &Manifest) -> Object {
    match manifest.kind.facts().ownership {
        Ownership::Owner => Object::Owned { owner: manifest.owner().map(|r| r.to_string()) },
        Ownership::Component => Object::Owned { owner: None },
        Ownership::Platform => Object::Platform,
    }
}

/// What it takes to declare an object of this kind.
fn declares(kind: Kind) -> Action {
    match kind.facts().ownership {
        Ownership::Owner | Ownership::Component => Action::Declare,
        Ownership::Platform => Action::Govern,
    }
}

/// A document that was read, with the text it came from.
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) documents: Vec<Document>,
}

/// Reads all documents; every broken rule of all of them is in the error.
pub(crate) fn read_all(documents: &[apply::Document]) -> Result<Vec<Source<'_>>, AppError> {
    let mut sources = Vec::new();
    let mut violations = Vec::new();
    for document in documents {
        match tow_formats::read(&document.name, &document.text) {
            Ok(documents) => {
                sources.push(Source { name: &document.name, text: &document.text, documents });
            }
            Err(found) => violations.extend(found),
        }
    }
    if violations.is_empty() {
        Ok(sources)
    } else {
        Err(AppError::invalid("input/invalid", violations))
    }
}

impl App {
    /// The object of a reference, or a refusal that names it.
    pub(crate) async fn object_row(&self, entity: &EntityRef) -> Result<ObjectRow, AppError> {
        self.store()
            .object(entity)
            .await?
            .ok_or_else(|| AppError::not_found(entity).next(format!("tow get {}", entity.kind())))
    }

    /// The environment of this name; the refusal lists those there are.
    pub(crate) async fn environment_row(&self, name: &Name) -> Result<ObjectRow, AppError> {
        let entity = Kind::Environment.named(name);
        if let Some(row) = self.store().object(&entity).await? {
            return Ok(row);
        }
        let known = self.store().objects(Some(Kind::Environment)).await?;
        let known: Vec<String> =
            known.iter().map(|row| row.manifest.metadata.name.to_string()).collect();
        Err(AppError::not_found(format!("environment {name}"))
            .hint(format!("environments: {}", known.join(", "))))
    }

    /// May the actor make `old` into `new`? Both sides of a change of owner are asked.
    fn may_declare(
        &self,
        ctx: &OpCtx,
        old: Option<&Manifest>,
        new: &Manifest,
        component: Option<&Manifest>,
    ) -> Result<(), AppError> {
        let action = declares(new.kind);
        if new.kind == Kind::Delivery {
            let object = component.map_or(Object::Owned { owner: None }, owned);
            return self.authorize(ctx, action, &object);
        }
        if let Some(old) = old {
            self.authorize(ctx, action, &owned(old))?;
        }
        self.authorize(ctx, action, &owned(new))
    }
}

impl Handle<Apply> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<Apply>) -> Result<apply::Reply, AppError> {
        self.write(ctx, &call, async |batch| {
            let sources = read_all(&call.body.documents)?;
            let manifests = manifests(&sources)?;
            let mut objects = Vec::new();
            for (manifest, source, at) in manifests.values() {
                let entity = manifest.entity();
                if let Spec::Environment(spec) = &manifest.spec {
                    let runtime = Kind::Runtime.named(&spec.runtime);
                    if !manifests.contains_key(&runtime)
                        && self.store().object(&runtime).await?.is_none()
                    {
                        return Err(AppError::invalid(
                            "input/invalid",
                            vec![missing_runtime(source, *at, &runtime)],
                        ));
                    }
                }
                let old = self.store().object(&entity).await?;
                let component = match &manifest.spec {
                    Spec::Delivery(spec) => {
                        let name = spec
                            .component
                            .clone()
                            .unwrap_or_else(|| manifest.metadata.name.to_string());
                        let owner = crate::handle::component_ref(&name)?;
                        self.store().object(&owner).await?.map(|row| row.manifest)
                    }
                    _ => None,
                };
                self.may_declare(
                    ctx,
                    old.as_ref().map(|o| &o.manifest),
                    manifest,
                    component.as_ref(),
                )?;
                let (verdict, generation) = match &old {
                    None => {
                        batch.create_object(
                            manifest,
                            Id::fresh("uid").to_string(),
                            self.now(),
                            &ctx.actor.name,
                        );
                        (Verdict::Created, 1)
                    }
                    Some(old) if old.manifest == *manifest => (Verdict::Unchanged, old.generation),
                    Some(old) => {
                        let bump = old.manifest.spec != manifest.spec;
                        batch.update_object(manifest, old.version, self.now(), bump);
                        (Verdict::Updated, old.generation + i64::from(bump))
                    }
                };
                if verdict != Verdict::Unchanged {
                    let before = match &old {
                        Some(old) => serde_json::to_value(&old.manifest).map_err(internal)?,
                        None => Value::Null,
                    };
                    let after = serde_json::to_value(manifest).map_err(internal)?;
                    let word = if old.is_some() { "updated" } else { "created" };
                    let what = body(format!("{entity} was {word}"), before, after);
                    batch.event(self.event(
                        ctx,
                        &format!("object.{word}"),
                        entity.to_string(),
                        what,
                    ));
                }
                objects.push(Applied { entity: entity.to_string(), verdict, generation });
            }
            if call.body.dry_run {
                *batch = Batch::new();
            }
            Ok(apply::Reply { objects, dry_run: call.body.dry_run })
        })
        .await
    }
}

/// An object, the text it is in, and which document of it.
type Read<'a> = BTreeMap<EntityRef, (Manifest, &'a Source<'a>, usize)>;

/// The declared objects among the documents; a Score file or the same object twice is refused.
fn manifests<'a>(sources: &'a [Source<'a>]) -> Result<Read<'a>, AppError> {
    let mut found: Read<'a> = BTreeMap::new();
    let mut violations = Vec::new();
    for source in sources {
        let positions = tow_formats::positions(source.text);
        for (at, document) in source.documents.iter().enumerate() {
            match document {
                Document::Manifest(manifest) => {
                    let entity = manifest.entity();
                    if let Some((_, other, _)) = found.get(&entity) {
                        let invalid = Invalid::new(
                            "/metadata/name",
                            "apply/twice",
                            format!("{entity} is declared in {} too", other.name),
                            "each object once",
                        );
                        let empty = BTreeMap::new();
                        violations.push(tow_formats::violation(
                            source.name,
                            Some(source.text),
                            positions.get(at).unwrap_or(&empty),
                            &invalid,
                        ));
                    }
                    found.insert(entity, (manifest.clone(), source, at));
                }
                Document::Score(file) => {
                    let invalid = Invalid::new(
                        "/apiVersion",
                        "apply/score",
                        format!("{} is a Score file: it is deployed, not applied", file.file),
                        "declared objects",
                    )
                    .hint("tow deploy DIR");
                    violations.push(tow_formats::violation(
                        source.name,
                        Some(source.text),
                        &file.positions,
                        &invalid,
                    ));
                }
            }
        }
    }
    if violations.is_empty() {
        Ok(found)
    } else {
        Err(AppError::invalid("input/invalid", violations))
    }
}

fn missing_runtime(source: &Source<'_>, at: usize, runtime: &EntityRef) -> Violation {
    let invalid = Invalid::new(
        "/spec/runtime",
        "environment/runtime-unknown",
        format!("there is no runtime {}", runtime.name()),
        "the name of a Runtime",
    )
    .hint("tow get runtimes");
    let positions = tow_formats::positions(source.text);
    let empty = BTreeMap::new();
    let positions = positions.get(at).unwrap_or(&empty);
    tow_formats::violation(source.name, Some(source.text), positions, &invalid)
}

fn entity_of(path: &Path) -> Result<EntityRef, AppError> {
    let kind = kind_of(&path.kind)?;
    let bad = |e: tow_names::NameError| AppError::new("input/invalid", e.to_string());
    let namespace = Namespace::new(path.namespace.to_ascii_lowercase()).map_err(bad)?;
    let name = Name::new(path.name.clone()).map_err(bad)?;
    Ok(EntityRef::new(kind.as_str(), &namespace, &name))
}

fn kind_of(text: &str) -> Result<Kind, AppError> {
    Kind::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|k| k.as_str()).collect();
        AppError::not_found(format!("kind {text}")).hint(format!("kinds: {}", known.join(", ")))
    })
}

fn view(row: &ObjectRow) -> Result<ObjectView, AppError> {
    let mut value = serde_json::to_value(&row.manifest).map_err(internal)?;
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".into(), json!(row.uid));
        metadata.insert("generation".into(), json!(row.generation));
    }
    let Value::Object(mut object) = value else { return Err(internal("not an object")) };
    object.insert(
        "status".into(),
        json!({
            "createdAt": row.created_at, "updatedAt": row.updated_at, "createdBy": row.created_by,
        }),
    );
    Ok(ObjectView { object })
}

impl Handle<GetObject> for App {
    async fn handle(&self, _: &OpCtx, call: Call<GetObject>) -> Result<ObjectView, AppError> {
        view(&self.object_row(&entity_of(&call.path)?).await?)
    }
}

impl Handle<ListObjects> for App {
    async fn handle(&self, _: &OpCtx, call: Call<ListObjects>) -> Result<list::Reply, AppError> {
        let rows = self.store().objects(Some(kind_of(&call.path.kind)?)).await?;
        Ok(list::Reply { items: rows.iter().map(view).collect::<Result<_, _>>()? })
    }
}

impl Handle<DeleteObject> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<DeleteObject>,
    ) -> Result<delete::Reply, AppError> {
        self.write(ctx, &call, async |batch| {
            let entity = entity_of(&call.path)?;
            let row = self.object_row(&entity).await?;
            self.authorize(ctx, declares(row.manifest.kind), &owned(&row.manifest))?;
            self.refuse_in_use(&row.manifest, &entity, batch).await?;
            batch.remove_object(&entity, row.version);
            let before = serde_json::to_value(&row.manifest).map_err(internal)?;
            let what = body(format!("{entity} was deleted"), before, Value::Null);
            batch.event(self.event(ctx, "object.deleted", entity.to_string(), what));
            Ok(delete::Reply { entity: entity.to_string() })
        })
        .await
    }
}

impl App {
    /// Refuses where something runs of the object or stands on it; placements at rest go with it.
    async fn refuse_in_use(
        &self,
        manifest: &Manifest,
        entity: &EntityRef,
        batch: &mut Batch,
    ) -> Result<(), AppError> {
        let in_use =
            |why: String| AppError::new("object/in-use", format!("{entity} is in use: {why}"));
        match &manifest.spec {
            Spec::Runtime(_) => {
                for row in self.store().objects(Some(Kind::Environment)).await? {
                    if let Spec::Environment(spec) = &row.manifest.spec
                        && Kind::Runtime.named(&spec.runtime) == *entity
                    {
                        let name = &row.manifest.metadata.name;
                        return Err(in_use(format!("environment {name} runs on it")));
                    }
                }
            }
            Spec::Environment(_) | Spec::Component(_) => {
                let concerned = |place: &Place| {
                    place.component == *entity
                        || (manifest.kind == Kind::Environment
                            && place.environment == *entity.name())
                };
                // A first deployment has no placement before it is numbered: what is under way counts by itself.
                let open = Find { open: Some(true), ..Find::default() };
                for row in self.store().list::<Operation>(open).await? {
                    if concerned(&row.value.place) {
                        let why = format!("{} is being changed", row.value.place);
                        return Err(in_use(why).next("tow status"));
                    }
                }
                for row in self.store().list::<Placement>(Find::default()).await? {
                    let place = &row.value.place;
                    if !concerned(place) {
                        continue;
                    }
                    if !row.value.serving.is_empty() {
                        return Err(in_use(format!("{place} runs")).next(format!(
                            "tow stop --component {} --environment {}",
                            place.component.short(),
                            place.environment
                        )));
                    }
                    batch.remove::<Placement>(place.to_string(), Some(row.version));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
