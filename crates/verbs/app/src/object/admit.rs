//! Who may declare an object, and what must hold across objects: what it refers to by rule is there, what it would take
//! away is not in use.

use super::apply::component_of;
use super::documents::Read;
use crate::{App, AppError, OpCtx};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::{Kind, Manifest, Ownership, Spec};
use tow_names::{EntityRef, Place};
use tow_policy::{Object, Owner, decide, gate};
use tow_record::{Declaration, Operation, Placement, Verdict, Violation};
use tow_store::{Batch, Find, ObjectRow, Row};

/// So many refusals are shown of one apply.
const SHOWN: usize = 20;

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

/// Placements at rest, by the object that they go with.
#[derive(Default)]
pub(super) struct AtRest {
    /// Name and version of each.
    of: BTreeMap<EntityRef, Vec<(String, i64)>>,
    gone: BTreeSet<String>,
}

impl AtRest {
    /// Takes away what goes with these, in the very batch that removes them: nobody dies in between. A placement goes
    /// once, with its component or its environment, whichever is removed first.
    pub(super) fn go_with<'a>(
        &mut self,
        removed: impl IntoIterator<Item = &'a EntityRef>,
        batch: &mut Batch,
    ) {
        for entity in removed {
            for (place, version) in self.of.remove(entity).into_iter().flatten() {
                if self.gone.insert(place.clone()) {
                    batch.remove::<tow_record::Scale>(place.clone(), None);
                    batch.remove::<Placement>(place, Some(version));
                }
            }
        }
    }
}

/// Judges declarations one by one; what goes with those that are removed gathers in `at_rest`.
pub(super) struct Admission<'a> {
    app: &'a App,
    ctx: &'a OpCtx,
    read: &'a Read<'a>,
    there: &'a BTreeMap<EntityRef, ObjectRow>,
    in_use: Option<InUse>,
    pub(super) at_rest: AtRest,
}

impl<'a> Admission<'a> {
    pub(super) fn new(
        app: &'a App,
        ctx: &'a OpCtx,
        read: &'a Read<'a>,
        there: &'a BTreeMap<EntityRef, ObjectRow>,
    ) -> Self {
        Self { app, ctx, read, there, in_use: None, at_rest: AtRest::default() }
    }

    /// As declared together with it, else as it is.
    fn other(&self, entity: &EntityRef) -> Option<&'a Manifest> {
        let declared = self.read.get(entity).map(|item| item.manifest);
        declared.or_else(|| self.there.get(entity).map(|row| &row.manifest))
    }

    /// What is acted on where this is declared, as far as rights go.
    fn governed(&self, side: &Manifest) -> Object {
        governed(side, component_of(side).and_then(|entity| self.other(&entity)))
    }

    /// Refuses what the actor may not: all of it at once, each at its line.
    pub(super) fn permitted(&self, changes: &[Declaration]) -> Result<(), AppError> {
        let (mut refused, mut ask) = (Vec::new(), None);
        for change in changes {
            if let Some((violation, next)) = self.refused(change)? {
                refused.push(violation);
                ask = ask.or(next);
            }
        }
        let alone = refused.len() == 1;
        if refused.is_empty() {
            return Ok(());
        }
        let error = AppError::invalid("access/forbidden", refused).showing(SHOWN);
        Err(match ask {
            Some(ask) if alone => error.next(ask),
            _ => error,
        })
    }

    /// Why a change is refused, and the command that tells more of it. What a token is cut off from is an error at once.
    fn refused(
        &self,
        change: &Declaration,
    ) -> Result<Option<(Violation, Option<String>)>, AppError> {
        let before = change.before.as_ref().map(|kept| &kept.manifest);
        let was = before.map(|manifest| self.governed(manifest));
        // Both sides of a change of owner are asked.
        for (side, is_before) in before
            .map(|side| (side, true))
            .into_iter()
            .chain(change.after.as_ref().map(|side| (side, false)))
        {
            let (action, object) = (gate(side), self.governed(side));
            let error = match self.app.authorize(self.ctx, action, &object) {
                Ok(()) => continue,
                Err(error) if error.is("access/forbidden") => error,
                Err(error) => return Err(error),
            };
            let decision = decide(&self.ctx.actor, action, &object);
            let (from, to) = (was.as_ref().and_then(owner), owner(&object));
            let foreign = decision.rule == "owner.not-a-member";
            let (pointer, message) = match (from, to) {
                (Some(from), Some(to)) if foreign && !is_before => {
                    let (from, to) = (plain(from), plain(to));
                    let what = "and you are not of the latter";
                    ("/spec/owner", format!("the owner would change from {from} to {to}, {what}"))
                }
                (None, Some(to)) if foreign && side.spec.owner().is_some() => {
                    let (to, what) = (plain(to), change.entity.name());
                    ("/spec/owner", format!("{what} would be owned by {to}, and you are not of it"))
                }
                _ if decision.rule == "role.too-little" => ("/kind", error.to_string()),
                _ => ("/metadata/name", error.to_string()),
            };
            let who = format!("who could: {}", decision.who);
            let ask = format!("tow access why me {} {}", action.as_str(), change.entity);
            let violation = self.violation(change, pointer, message, who);
            return Ok(Some((violation, is_before.then_some(ask))));
        }
        Ok(None)
    }

    /// At its line where it was written; what goes is written nowhere.
    fn violation(
        &self,
        change: &Declaration,
        pointer: &str,
        message: String,
        hint: String,
    ) -> Violation {
        let (code, expected) = ("access/forbidden", "what you may declare");
        match self.read.get(&change.entity) {
            Some(item) => item.violation(pointer, code, message, expected, hint),
            None => Violation {
                code: code.into(),
                pointer: String::new(),
                message: format!("{}: {message}", change.entity),
                expected: expected.into(),
                hint: Some(hint),
                source: None,
            },
        }
    }

    /// Refuses what the actor may not do to one object, and what does not hold.
    pub(super) async fn judge_one(&mut self, change: &Declaration) -> Result<(), AppError> {
        for side in
            change.before.as_ref().map(|kept| &kept.manifest).into_iter().chain(&change.after)
        {
            self.app.authorize(self.ctx, gate(side), &self.governed(side))?;
        }
        self.judge(change).await
    }

    /// Refuses what does not hold; whether the actor may was asked before.
    pub(super) async fn judge(&mut self, change: &Declaration) -> Result<(), AppError> {
        let before = change.before.as_ref().map(|kept| &kept.manifest);
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
            let placement = (place.to_string(), row.version);
            self.at_rest.of.entry(entity.clone()).or_default().push(placement);
        }
        Ok(())
    }
}

fn owner(object: &Object) -> Option<&String> {
    match &object.owner {
        Owner::Of(owner) => owner.as_ref(),
        Owner::Platform | Owner::Person(_) => None,
    }
}

/// `group:quay` for `group:default/quay`, as people write it.
fn plain(owner: &str) -> String {
    owner.replacen(":default/", ":", 1)
}

/// Whose it is: its own owner's, its component's, or the platform team's. A delivery whose component is not there
/// belongs to nobody.
fn governed(manifest: &Manifest, component: Option<&Manifest>) -> Object {
    match (manifest.kind.facts().ownership, component) {
        (Ownership::Component, Some(component)) => Object::of(component),
        _ => Object::of(manifest),
    }
}
