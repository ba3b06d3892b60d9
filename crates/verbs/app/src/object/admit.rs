//! Who may declare an object, and what must hold across objects: what it refers to by rule is there, what it would take
//! away is not in use.

use super::apply::component_of;
use super::documents::Read;
use crate::{App, AppError, OpCtx};
use std::collections::BTreeMap;
use tow_model::{Kind, Manifest, Ownership, Spec};
use tow_names::{EntityRef, Place};
use tow_policy::{Object, gate};
use tow_record::{Declaration, Operation, Placement, Verdict};
use tow_store::{Batch, Find, ObjectRow, Row};

/// Which other objects are looked at to judge a manifest.
pub(super) fn needs(manifest: &Manifest) -> Vec<EntityRef> {
    match &manifest.spec {
        Spec::Environment(spec) => vec![Kind::Runtime.named(&spec.runtime)],
        _ => component_of(manifest).into_iter().collect(),
    }
}

/// What runs or refers; read once for all that is removed together.
struct InUse {
    operations: Vec<Row<Operation>>,
    placements: Vec<Row<Placement>>,
    environments: Vec<ObjectRow>,
}

/// Judges declarations one by one; what must be written with them gathers in `extra`.
pub(super) struct Admission<'a> {
    app: &'a App,
    ctx: &'a OpCtx,
    read: &'a Read<'a>,
    there: &'a BTreeMap<EntityRef, ObjectRow>,
    in_use: Option<InUse>,
    pub(super) extra: Batch,
}

impl<'a> Admission<'a> {
    pub(super) fn new(
        app: &'a App,
        ctx: &'a OpCtx,
        read: &'a Read<'a>,
        there: &'a BTreeMap<EntityRef, ObjectRow>,
    ) -> Self {
        Self { app, ctx, read, there, in_use: None, extra: Batch::new() }
    }

    /// As declared together with it, else as it is.
    fn other(&self, entity: &EntityRef) -> Option<&'a Manifest> {
        let declared = self.read.get(entity).map(|item| item.manifest);
        declared.or_else(|| self.there.get(entity).map(|row| &row.manifest))
    }

    /// Refuses what the actor may not, and what does not hold.
    pub(super) async fn judge(&mut self, change: &Declaration) -> Result<(), AppError> {
        let before = change.before.as_ref().map(|kept| &kept.manifest);
        // Both sides of a change of owner are asked.
        for side in before.into_iter().chain(&change.after) {
            let component = component_of(side).and_then(|entity| self.other(&entity));
            self.app.authorize(self.ctx, gate(side), &governed(side, component))?;
        }
        match &change.after {
            Some(manifest) if change.verdict != Verdict::Unchanged => {
                self.holds(&change.entity, manifest)
            }
            Some(_) => Ok(()),
            None => match before {
                Some(manifest) => self.removable(&change.entity, manifest).await,
                None => Ok(()),
            },
        }
    }

    fn holds(&self, entity: &EntityRef, manifest: &Manifest) -> Result<(), AppError> {
        let refuse = |pointer: &str, code, message: String, expected: &str, hint: String| {
            let found = self.read.get(entity);
            let violations = found.map(|i| i.violation(pointer, code, message, expected, hint));
            Err(AppError::invalid("input/invalid", violations.into_iter().collect()))
        };
        match &manifest.spec {
            Spec::Environment(spec) => {
                let runtime = Kind::Runtime.named(&spec.runtime);
                if self.other(&runtime).is_some() {
                    return Ok(());
                }
                refuse(
                    "/spec/runtime",
                    "environment/runtime-unknown",
                    format!("there is no runtime {}", runtime.name()),
                    "the name of a Runtime",
                    "tow get runtimes".into(),
                )
            }
            // A delivery is found by its name: under another one it would build what is not its owner's.
            Spec::Delivery(spec) => {
                let mine = component_of(manifest);
                let namespace = &manifest.metadata.namespace;
                let said = spec.component.as_deref().map(|text| {
                    EntityRef::parse(text, Some(Kind::Component.as_str()), namespace).ok()
                });
                match said {
                    Some(said) if said != mine => refuse(
                        "/spec/component",
                        "delivery/component",
                        format!(
                            "the delivery {} can't be that of another component",
                            manifest.metadata.name
                        ),
                        "the name of the delivery itself, or no such field",
                        format!("call the delivery {}", spec.component.as_deref().unwrap_or("")),
                    ),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Refuses where something runs of the object or stands on it; placements at rest go with it.
    pub(super) async fn removable(
        &mut self,
        entity: &EntityRef,
        manifest: &Manifest,
    ) -> Result<(), AppError> {
        if !matches!(manifest.kind, Kind::Runtime | Kind::Environment | Kind::Component) {
            return Ok(());
        }
        if self.in_use.is_none() {
            let open = Find { open: Some(true), ..Find::default() };
            self.in_use = Some(InUse {
                operations: self.app.store().list::<Operation>(open).await?,
                placements: self.app.store().list::<Placement>(Find::default()).await?,
                environments: self.app.store().objects(Some(Kind::Environment)).await?,
            });
        }
        let Some(in_use) = &self.in_use else { return Ok(()) };
        let refuse =
            |why: String| AppError::new("object/in-use", format!("{entity} is in use: {why}"));
        if manifest.kind == Kind::Runtime {
            for row in &in_use.environments {
                if let Spec::Environment(spec) = &row.manifest.spec
                    && Kind::Runtime.named(&spec.runtime) == *entity
                {
                    let name = &row.manifest.metadata.name;
                    return Err(refuse(format!("environment {name} runs on it")));
                }
            }
            return Ok(());
        }
        let concerned = |place: &Place| {
            place.component == *entity
                || (manifest.kind == Kind::Environment && place.environment == *entity.name())
        };
        // A first deployment has no placement before it is numbered: what is under way counts by itself.
        if let Some(row) = in_use.operations.iter().find(|row| concerned(&row.value.place)) {
            let why = format!("{} is being changed", row.value.place);
            return Err(refuse(why).next("tow status"));
        }
        for row in in_use.placements.iter().filter(|row| concerned(&row.value.place)) {
            let place = &row.value.place;
            if !row.value.serving.is_empty() {
                return Err(refuse(format!("{place} runs")).next(format!(
                    "tow stop --component {} --environment {}",
                    place.component.short(),
                    place.environment
                )));
            }
            self.extra.remove::<Placement>(place.to_string(), Some(row.version));
        }
        Ok(())
    }
}

/// Whose it is: its own owner's, its component's, or the platform team's. A delivery whose component is not there
/// belongs to nobody.
fn governed(manifest: &Manifest, component: Option<&Manifest>) -> Object {
    match (manifest.kind.facts().ownership, component) {
        (Ownership::Component, Some(component)) => Object::of(component),
        _ => Object::of(manifest),
    }
}
