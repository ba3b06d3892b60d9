//! Declared objects: apply, list, get, delete.

mod admit;
mod apply;
mod documents;
pub(crate) mod find;

pub(crate) use documents::{Source, read_all};

use crate::{App, AppError, Call, Handle, OpCtx};
use admit::Admission;
use tow_api::object::{
    delete::{self, DeleteObject},
    get::Path,
};
use tow_model::Kind;
use tow_names::{EntityRef, Name, Namespace};
use tow_record::{Declaration, Verdict};
use tow_store::ObjectRow;

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

impl Handle<DeleteObject> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<DeleteObject>,
    ) -> Result<delete::Reply, AppError> {
        self.write(ctx, &call, async |batch| {
            let entity = entity_of(&call.path)?;
            let row = self.object_row(&entity).await?;
            let others = self.store().objects_by(&admit::needs(&row.manifest)).await?;
            let there = others.into_iter().map(|row| (row.manifest.entity(), row)).collect();
            let read = documents::Read::new();
            let mut admission = Admission::new(self, ctx, &read, &there);
            if row.source.starts_with(tow_plan::LOCATION) {
                let why = format!("{entity} comes from {}", row.source);
                return Err(AppError::new("apply/claimed", why)
                    .hint("take it out where the location reads it, or delete the location"));
            }
            let change = Declaration {
                entity: entity.clone(),
                verdict: Verdict::Removed,
                source: row.source.clone(),
                before: Some(apply::kept(&row)),
                after: None,
            };
            admission.judge_one(&change).await?;
            admission.at_rest.go_with([&entity], batch);
            batch.declare(&change, &self.author(ctx));
            Ok(delete::Reply { entity: entity.to_string() })
        })
        .await
    }
}
