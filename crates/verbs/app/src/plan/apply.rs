//! `plan.apply`: exactly that plan, or a refusal that names what moved.

use super::create::decided;
use crate::{App, AppError, Call, Handle, OpCtx, handle::body};
use serde_json::{Value, json};
use tow_api::Action;
use tow_api::plan::{
    apply::{ApplyPlan, Reply},
    get::Path,
};
use tow_names::{EntityRef, Id};
use tow_record::{
    Effect, Operation, Placement, Plan, Progress, ReadMember, Reason, Record as _, Stage, Step,
    StepRow, StepState,
};
use tow_store::{Batch, Find, PlaceFacts, Row};

/// How often it is tried again where something moved that may be without meaning.
const TRIES: u32 = 4;

impl Handle<ApplyPlan> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ApplyPlan>) -> Result<Reply, AppError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| self.applied(ctx, &call.path, batch).await;
            match self.write(ctx, &call, work).await {
                // What bakes is looked at every second, and written down each time.
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                // Somebody was quicker, between the look at things and the commit.
                Err(error) if error.is("object/moved") || error.is("operation/under-way") => {
                    return Err(self.overtaken(&call.path).await?);
                }
                answered => return answered,
            }
        }
    }
}

impl App {
    async fn applied(
        &self,
        ctx: &OpCtx,
        path: &Path,
        batch: &mut Batch,
    ) -> Result<Reply, AppError> {
        let row = self.plan_row(path).await?;
        let plan = &row.value;
        let object = self.owner_of(&plan.place, &plan.creates).await?;
        self.authorize(ctx, Action::Deploy, &object)?;
        let answer = |operation: Option<&Id>| Reply {
            operation: operation.map(ToString::to_string),
            plan: plan.id.to_string(),
        };
        if plan.applied.is_some() {
            return Ok(answer(plan.applied.as_ref()));
        }
        if plan.changes == 0 {
            return Ok(answer(None));
        }
        self.refuse_stale(plan).await?;

        let facts = self.store().place(&plan.place).await?;
        if let Some(other) = &facts.operation {
            self.end_bake(ctx, other, &facts, batch).await?;
        }
        for member in &plan.read_set {
            // Its row as it is now, which says the same as the one that was read: only decisions make a plan stale.
            if member.kind == Placement::KIND {
                if decided(&facts.placement) != member.version {
                    return Err(stale(&[format!("{} was changed", member.what)]));
                }
                let version = facts.placement.version;
                batch.expect_read(&ReadMember { version, ..member.clone() });
                continue;
            }
            batch.expect_read(member);
        }
        let mut applied = plan.clone();
        let operation = self.operation_of(ctx, plan, facts.placement.value.stopped);
        applied.applied =
            Some(operation.as_ref().map_or_else(|| plan.id.clone(), |op| op.id.clone()));
        batch.update(&applied, row.version);
        for manifest in &plan.creates {
            let entity = manifest.entity();
            let after = serde_json::to_value(manifest).map_err(crate::handle::internal)?;
            match self.store().object(&entity).await? {
                None => {
                    let uid = Id::fresh("uid").to_string();
                    batch.create_object(manifest, uid, self.now(), &ctx.actor.name);
                    let what =
                        body(format!("{entity} was created by a deploy"), Value::Null, after);
                    batch.event(self.event(ctx, "object.created", entity.to_string(), what));
                }
                Some(old) => {
                    let bump = old.manifest.spec != manifest.spec;
                    batch.update_object(manifest, old.version, self.now(), bump);
                    let before =
                        serde_json::to_value(&old.manifest).map_err(crate::handle::internal)?;
                    let what = body(format!("{entity} was updated by a deploy"), before, after);
                    batch.event(self.event(ctx, "object.updated", entity.to_string(), what));
                }
            }
        }
        if let Some(version) = &plan.config {
            batch.create(version);
            let digests: serde_json::Map<String, Value> =
                version.values.iter().map(|(k, v)| (k.clone(), json!(v.digest))).collect();
            let what = body(
                format!("configuration {} of {}", version.number, plan.place.short()),
                Value::Null,
                json!({"version": version.number, "change": plan.change, "digests": digests}),
            );
            batch.event(self.event(ctx, "config.changed", plan.place.to_string(), what));
        }
        match &operation {
            Some(operation) => batch.create(operation),
            None => {
                // Nothing was ever deployed here: the configuration is all there is to change.
                let mut placement = facts.placement.value.clone();
                placement.config = plan.config.as_ref().map_or(0, |version| version.number);
                match facts.placement.version {
                    0 => batch.create(&placement),
                    version => batch.update(&placement, version),
                }
            }
        }
        let what = body(
            format!("a plan for {} was applied", plan.place.short()),
            Value::Null,
            json!({"plan": plan.id, "operation": operation.as_ref().map(|op| &op.id)}),
        );
        batch.event(self.event(ctx, "plan.applied", plan.place.to_string(), what));
        Ok(answer(operation.as_ref().map(|op| &op.id)))
    }

    /// Why the plan could not be committed: what of it moved, or what is under way there now.
    async fn overtaken(&self, path: &Path) -> Result<AppError, AppError> {
        let plan = self.plan_row(path).await?.value;
        self.refuse_stale(&plan).await?;
        Ok(match self.store().place(&plan.place).await?.operation {
            Some(other) => under_way(&other.value),
            None => AppError::new("plan/stale", "the plan was applied meanwhile"),
        })
    }
}

fn stale(moved: &[String]) -> AppError {
    AppError::new("plan/stale", format!("since the plan was made: {}", moved.join("; ")))
        .hint("plan again and look at it")
        .next("tow plan")
}

fn under_way(other: &Operation) -> AppError {
    let shifts = matches!(other.progress.stage, Stage::Shift | Stage::Commit);
    let (hint, next) = match shifts && other.failure.is_none() {
        true => (
            "it is tried on some clients, or replaced a few at a time: let it go on or break it off, then plan again",
            "tow rollout status",
        ),
        false => ("wait for it to end, then plan again", "tow status"),
    };
    AppError::new(
        "operation/under-way",
        format!(
            "{} is rolling: {} by {} since {}",
            other.place.short(),
            other.reason.as_str(),
            other.created_by,
            other.started_at
        ),
    )
    .hint(hint)
    .next(next)
}

impl App {
    /// What only bakes has taken over: a change ends its watch as good, paused or not, in the commit in which it begins
    /// itself. What was kept warm goes with the new change's own end. Anything else that is under way is in its way: that
    /// somebody broke it off, or that a command of it is still to come, too.
    async fn end_bake(
        &self,
        ctx: &OpCtx,
        other: &Row<Operation>,
        facts: &PlaceFacts,
        batch: &mut Batch,
    ) -> Result<(), AppError> {
        let op = &other.value;
        let subject = Some(op.id.to_string());
        let journal = self.store().list::<StepRow>(Find { subject, ..Find::default() }).await?;
        let open = journal.iter().any(|row| row.value.state == StepState::Started);
        let rows: Vec<StepRow> = journal.iter().map(|row| row.value.clone()).collect();
        let deployed = self.store().deployed(&op.place, op.deployment.unwrap_or(0)).await?;
        let comes = match (&deployed, &facts.environment) {
            (Some((_, release)), Some(environment)) => {
                tow_plan::is_to_run(op, &rows, release, environment)
            }
            _ => false,
        };
        let bakes = op.switched && op.failure.is_none() && op.progress.stage == Stage::Bake;
        if !bakes || op.progress.aborted_by.is_some() || open || comes {
            return Err(under_way(op));
        }
        let mut ended = op.clone();
        ended.finished_at = Some(self.now());
        ended.progress = op.progress.at(Stage::Retire, self.now());
        batch.update(&ended, other.version);
        let n = journal.iter().map(|row| row.value.step.n).max().unwrap_or(0) + 1;
        let title = format!("the bake ends early and as good: {} deploys again", ctx.actor.name);
        batch.create(&StepRow {
            operation: op.id.clone(),
            step: Step { n, effect: Effect::Note, title: title.clone() },
            attempt: 1,
            state: StepState::Done,
            at: self.now(),
            note: String::new(),
        });
        let number = op.deployment.unwrap_or(0);
        let what = body(
            format!("deployment {number} of {} is live: {title}", op.place.short()),
            Value::Null,
            json!({"operation": op.id, "deployment": op.deployment}),
        );
        batch.event(self.event(ctx, "deployment.live", op.place.to_string(), what));
        Ok(())
    }

    /// Names every member of the plan's read-set that moved.
    async fn refuse_stale(&self, plan: &Plan) -> Result<(), AppError> {
        let mut moved = Vec::new();
        for member in &plan.read_set {
            let now = self.version_of(member).await?;
            if now != member.version {
                moved.push(match (member.version, now) {
                    (0, _) => format!("{} was created", member.what),
                    (_, 0) => format!("{} was deleted", member.what),
                    _ => format!("{} was changed", member.what),
                });
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        Err(stale(&moved))
    }

    async fn version_of(&self, member: &ReadMember) -> Result<i64, AppError> {
        if member.kind == "object" {
            let entity = EntityRef::try_from(member.id.clone())
                .map_err(|e| AppError::new("platform/internal", e.to_string()))?;
            let row = self.store().object(&entity).await?;
            // Another object of the same name is not the one that was read.
            let same = row.filter(|row| row.uid == member.uid || member.version == 0);
            return Ok(same.map_or(0, |row| row.generation));
        }
        let row = self.store().get::<Placement>(&member.id).await?;
        Ok(row.map_or(0, |row| decided(&row)))
    }

    /// The operation that carries the plan out; none where there is only configuration to keep.
    fn operation_of(&self, ctx: &OpCtx, plan: &Plan, stopped: bool) -> Option<Operation> {
        let deployment = plan.deployment.as_ref()?;
        Some(Operation {
            id: Id::fresh("op"),
            place: plan.place.clone(),
            plan: Some(plan.id.clone()),
            reason: deployment.reason,
            heal: false,
            build: plan.build.clone(),
            release: plan.release.clone(),
            artifact: plan.release.as_ref().and_then(|r| r.artifact.clone()),
            deployment: None,
            replicas: deployment.replicas.clone(),
            scaled: plan.scaled.clone(),
            stops: deployment.reason == Reason::Stop
                || (stopped && deployment.reason == Reason::Config),
            config: deployment.config,
            variables: deployment.variables.clone(),
            runtime: deployment.runtime.clone(),
            salt: deployment.salt,
            release_number: plan.release_number,
            deadline: None,
            drain_until: None,
            switched: false,
            progress: Progress::default(),
            reverts: None,
            cancelled_by: None,
            failure: None,
            remark: None,
            started_at: self.now(),
            finished_at: None,
            created_by: ctx.actor.name.clone(),
            request: ctx.request.clone(),
        })
    }
}
