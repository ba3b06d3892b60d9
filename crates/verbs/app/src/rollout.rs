//! What is under way while it takes its time: how far it is, and letting it stay, go on or go back.

use crate::handle::body;
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::{Value, json};
use tow_api::Endpoint;
use tow_api::rollout::{
    abort::AbortRollout,
    list::{Counted, ListRollouts, Reply, RolloutView},
    pause::{Body, PauseRollout},
    resume::ResumeRollout,
};
use tow_model::kinds::bake::Watched;
use tow_names::Timestamp;
use tow_record::{Held, Operation, Placement, Record as _, RoutePart, Stage};
use tow_store::{Batch, PlaceFacts};

/// How often a change is tried again where the rollout went on meanwhile: it is looked at every second.
const TRIES: u32 = 8;

impl Handle<ListRollouts> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListRollouts>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places =
            self.places(ctx, query.component.as_deref(), query.environment.as_deref()).await?;
        let mut items = Vec::new();
        for facts in &places {
            if let Some(row) = facts.operation.as_ref().filter(|row| !row.value.heal) {
                items.push(self.rollout_view(facts, &row.value).await?);
            }
        }
        Ok(Reply { items })
    }
}

/// What somebody wants of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Stay,
    GoOn,
    GoBack,
}

impl Handle<PauseRollout> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<PauseRollout>) -> Result<RolloutView, AppError> {
        self.wish(ctx, &call, Wish::Stay).await
    }
}

impl Handle<ResumeRollout> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<ResumeRollout>,
    ) -> Result<RolloutView, AppError> {
        self.wish(ctx, &call, Wish::GoOn).await
    }
}

impl Handle<AbortRollout> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<AbortRollout>) -> Result<RolloutView, AppError> {
        self.wish(ctx, &call, Wish::GoBack).await
    }
}

impl App {
    async fn wish<E>(
        &self,
        ctx: &OpCtx,
        call: &Call<E>,
        wish: Wish,
    ) -> Result<RolloutView, AppError>
    where
        E: Endpoint<Body = Body, Reply = RolloutView>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| self.wished(ctx, &call.body, wish, batch).await;
            match self.write(ctx, call, work).await {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }

    async fn wished(
        &self,
        ctx: &OpCtx,
        asked: &Body,
        wish: Wish,
        batch: &mut Batch,
    ) -> Result<RolloutView, AppError> {
        let (place, facts) =
            self.runnable(ctx, &asked.component, asked.environment.as_deref()).await?;
        let none = || {
            AppError::new("rollout/none", format!("nothing is rolled out of {} now", place.short()))
                .next("tow deployments")
        };
        let row = facts.operation.as_ref().filter(|row| !row.value.heal).ok_or_else(none)?;
        let mut op = row.value.clone();
        let over = match wish {
            _ if op.failure.is_some() => Some("it goes back already"),
            Wish::GoBack if op.progress.stage == Stage::Retire => {
                Some("it took over, and what was before is being stopped")
            }
            Wish::Stay if op.progress.stage == Stage::Retire => Some("it took over already"),
            Wish::GoBack if takes_over(&op, &facts) && !op.progress.has_before() => {
                Some("it takes over just now, and there is nothing to go back to")
            }
            Wish::Stay if takes_over(&op, &facts) && !stays(&op, &facts) => {
                Some("it takes over just now, and nobody watches it then")
            }
            _ => None,
        };
        if let Some(why) = over {
            return Err(AppError::new("rollout/over", format!("{}: {why}", place.short()))
                .hint("an earlier deployment is brought back by a rollback, which is a rollout too")
                .next("tow rollback"));
        }
        let who = ctx.actor.name.clone();
        let before = op.progress.clone();
        let (kind, word) = match wish {
            Wish::Stay => {
                op.progress.paused.get_or_insert(Held { by: who, at: self.now() });
                ("rollout.paused", "stays where it is")
            }
            Wish::GoOn => {
                op.progress.paused = None;
                // A step that ends by itself is not cut short: whoever asks twice would try nothing on nobody.
                let waits = || async { self.step_ends(&facts, &op).await.map(|at| at.is_none()) };
                if op.progress.stage == Stage::Shift && before.paused.is_none() && waits().await? {
                    op.progress.passed = Some(op.progress.step);
                }
                ("rollout.resumed", "goes on")
            }
            Wish::GoBack => {
                if op.deployment.is_none() {
                    op.cancelled_by.get_or_insert(who.clone());
                }
                op.progress.aborted_by.get_or_insert(who);
                ("rollout.aborted", "is broken off")
            }
        };
        if op.progress != before || op.cancelled_by != row.value.cancelled_by {
            batch.update(&op, row.version);
            // Its last switch, which would leave nothing to wish for, begins with the placement.
            let placement = &facts.placement;
            batch.expect::<Placement>(placement.value.id(), placement.version);
            let what = body(
                format!("the rollout of {} {word}", place.short()),
                Value::Null,
                json!({"operation": op.id, "deployment": op.deployment, "stage": op.progress.stage}),
            );
            batch.event(self.event(ctx, kind, place.to_string(), what));
        }
        self.rollout_view(&facts, &op).await
    }

    /// When the canary's step ends by itself at which it is.
    async fn step_ends(
        &self,
        facts: &PlaceFacts,
        op: &Operation,
    ) -> Result<Option<Timestamp>, AppError> {
        let deployed = self.store().deployed(&op.place, op.deployment.unwrap_or(0)).await?;
        let (Some((_, release)), Some(environment)) = (&deployed, &facts.environment) else {
            return Ok(None);
        };
        Ok(tow_plan::step_ends(op, release, environment))
    }

    async fn rollout_view(
        &self,
        facts: &PlaceFacts,
        op: &Operation,
    ) -> Result<RolloutView, AppError> {
        let progress = &op.progress;
        let placement = &facts.placement.value;
        let deployed = self.store().deployed(&op.place, op.deployment.unwrap_or(0)).await?;
        let counted = |part: &RoutePart| Counted { requests: part.requests, errors: part.errors };
        let said =
            facts.environment.as_ref().and_then(|spec| spec.bake.clone()).unwrap_or_default();
        let numbers = Watched::numbers(&said);
        let window = tow_plan::bake::last(&progress.samples, numbers.window);
        let new = window.map(|(first, last)| counted(&last.new.since(&first.new)));
        let beside = progress.stage == Stage::Shift;
        let old = match window.filter(|_| beside) {
            Some((first, last)) => Some(last.old.since(&first.old)),
            None => progress.before.as_ref().map(|before| before.answered.clone()),
        };
        let ends = self.step_ends(facts, op).await?.filter(|_| progress.paused.is_none());
        let doing = match (&facts.environment, op.deployment) {
            (_, None) if op.build.is_some() => Some("builds".to_string()),
            (Some(environment), _) => tow_plan::under_way(op, placement, environment),
            (None, _) => None,
        };
        let plain = match (&op.failure, op.switched) {
            (Some(failure), _) => format!("is taken away: {}", failure.message),
            (None, true) => "took over; what was before is stopped".into(),
            (None, false) => "starts; what was before serves".into(),
        };
        Ok(RolloutView {
            component: op.place.component.to_string(),
            environment: op.place.environment.to_string(),
            operation: op.id.to_string(),
            reason: op.reason,
            deployment: op.deployment,
            release: deployed.map(|(_, release)| release.number).or(op.release_number),
            before: progress.before.as_ref().map(|before| before.deployment),
            stage: progress.stage,
            since: progress.since,
            doing: match (doing.unwrap_or(plain), ends, &op.failure) {
                (doing, Some(at), None) if progress.aborted_by.is_none() => {
                    format!("{doing}, goes on by itself at {}", tow_plan::clock(at))
                }
                (doing, _, _) => doing,
            },
            weight: placement.trying.as_ref().map(|trying| trying.weight),
            new: new.unwrap_or_default(),
            old: old.as_ref().map(counted).unwrap_or_default(),
            window: window.map(|(first, last)| last.at.since(first.at)),
            beside,
            needs: (said.off != Some(true)).then_some(numbers.requests),
            paused: progress.paused.clone(),
            aborted_by: progress.aborted_by.clone(),
            failure: op
                .failure
                .clone()
                .map(|failure| tow_record::Failure { log: Vec::new(), ..failure }),
            started_at: op.started_at,
        })
    }
}

/// Its last switch was begun, and waits for the gateway.
fn takes_over(op: &Operation, facts: &PlaceFacts) -> bool {
    !op.switched && op.deployment == Some(facts.placement.value.deployment)
}

/// Is it watched once it took over?
fn stays(op: &Operation, facts: &PlaceFacts) -> bool {
    let serving = &facts.placement.value.serving;
    facts.environment.as_ref().is_some_and(|spec| tow_plan::bakes(op, serving, spec).is_some())
}
