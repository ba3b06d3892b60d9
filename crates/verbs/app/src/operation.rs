//! How an operation stands, with a long poll.

use crate::handle::{component_ref, internal};
use crate::{App, AppError, Call, Handle, OpCtx};
use tow_api::Action;
use tow_api::operation::get::{GetOperation, OperationView, StepView};
use tow_names::{Duration, Name, Place};
use tow_plan::{Next, View};
use tow_record::{Effect, Instance, Observed, Operation, Phase, State, StepRow};
use tow_store::{Find, Row};

/// How long a long poll waits.
const PATIENCE: Duration = Duration::from_secs(5);

impl Handle<GetOperation> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<GetOperation>,
    ) -> Result<OperationView, AppError> {
        let until = self.now().plus(PATIENCE);
        let mut commits = self.store().commits();
        loop {
            commits.mark_unchanged();
            let mut view = self.operation_view(&call.path.operation).await?;
            let component = component_ref(&view.component)?;
            if !self.seen(ctx, [&component]).await?.has(&component) {
                return Err(AppError::not_found(format!("operation {}", view.id)));
            }
            self.hide_log(ctx, &mut view).await?;
            let news = call.query.after.is_none_or(|after| view.version > after);
            if news || view.finished || self.now() >= until {
                return Ok(view);
            }
            tokio::select! {
                _ = commits.changed() => {}
                () = self.parts.clock.sleep_until(until) => {}
            }
        }
    }
}

impl App {
    /// Everybody sees that it failed and why; log lines are for whoever may read the log.
    pub(crate) async fn hide_log(
        &self,
        ctx: &OpCtx,
        view: &mut OperationView,
    ) -> Result<(), AppError> {
        let told = view.failure.iter().chain(&view.remark);
        if told.into_iter().all(|failure| failure.log.is_empty()) {
            return Ok(());
        }
        let component = component_ref(&view.component)?;
        let place = Place::new(component, &Name::new(view.environment.clone()).map_err(internal)?);
        let object = self.owner_of(&place, &[]).await?;
        if self.authorize(ctx, Action::ReadPrivate, &object).is_err() {
            for failure in view.failure.iter_mut().chain(&mut view.remark) {
                failure.log.clear();
            }
        }
        Ok(())
    }

    pub(crate) async fn operation_view(&self, id: &str) -> Result<OperationView, AppError> {
        let missing = || AppError::not_found(format!("operation {id}"));
        let row = self.store().get::<Operation>(id).await?.ok_or_else(missing)?;
        let op = &row.value;
        let subject = Some(op.id.to_string());
        let journal = self.store().list::<StepRow>(Find { subject, ..Find::default() }).await?;
        let version = row.version + journal.iter().map(|s| s.version).sum::<i64>();
        let journal: Vec<StepRow> = journal.into_iter().map(|s| s.value).collect();
        let finished = op.finished_at.is_some();
        let state = match (&op.failure, finished, op.switched) {
            (Some(_), true, _) => State::Failed,
            (None, true, _) if op.stops => State::Stopped,
            (None, true, _) => State::Live,
            (_, false, _) if op.deployment.is_none() => State::Waiting,
            (_, false, _) => State::Rolling,
        };
        let mut steps: Vec<StepView> = Vec::new();
        for step in &journal {
            steps.push(StepView { title: step.step.title.clone(), state: step.state });
        }
        let release = self.release_number(op).await?;
        let build = journal.iter().any(|s| matches!(s.step.effect, Effect::Build { .. }));
        Ok(OperationView {
            id: op.id.to_string(),
            component: op.place.component.to_string(),
            environment: op.place.environment.to_string(),
            plan: op.plan.as_ref().map(ToString::to_string),
            reason: op.reason,
            state,
            finished,
            version,
            release,
            deployment: op.deployment,
            urls: if finished && op.failure.is_none() { self.urls(op).await? } else { Vec::new() },
            steps,
            waiting: if finished { None } else { self.waiting(&row, &journal).await? },
            build: build.then(|| op.build_id().to_string()),
            failure: op.failure.clone(),
            remark: op.remark.clone(),
            back_to: op.progress.back_to,
            again: op.progress.again.as_ref().map(ToString::to_string),
            started_at: op.started_at,
            finished_at: op.finished_at,
        })
    }

    async fn release_number(&self, op: &Operation) -> Result<Option<i64>, AppError> {
        let Some(number) = op.deployment else { return Ok(op.release_number) };
        let deployed = self.store().deployed(&op.place, number).await?;
        Ok(deployed.map(|(_, release)| release.number))
    }

    async fn urls(&self, op: &Operation) -> Result<Vec<String>, AppError> {
        let facts = self.store().place(&op.place).await?;
        let (Some((_, release)), Some(environment)) = (&facts.current, &facts.environment) else {
            return Ok(Vec::new());
        };
        let placed = tow_plan::Placed {
            placement: &facts.placement.value,
            release,
            environment,
            instances: &[],
        };
        let gateway = self.gateway_port();
        let names = release.workloads.keys();
        Ok(names.flat_map(|name| tow_plan::workload_urls(&placed, name, gateway)).collect())
    }

    /// What it waits for, in the rollout's own words.
    async fn waiting(
        &self,
        row: &Row<Operation>,
        journal: &[StepRow],
    ) -> Result<Option<String>, AppError> {
        let op = &row.value;
        if op.deployment.is_none() {
            return Ok(None);
        }
        let facts = self.store().place(&op.place).await?;
        let Some(environment) = &facts.environment else { return Ok(None) };
        let deployed = self.store().deployed(&op.place, op.deployment.unwrap_or(0)).await?;
        let observed = self.observe().await?;
        let instances: Vec<Instance> = facts.instances.into_iter().map(|r| r.value).collect();
        let view = View {
            placement: &facts.placement.value,
            instances: &instances,
            observed: &observed,
            deployment: deployed.as_ref().map(|(d, _)| d),
            release: deployed.as_ref().map(|(_, r)| r),
            environment,
            built: true,
        };
        // What runs it may not answer: then nothing else is to be said than that.
        if let Some(why) = trouble(op, &instances, &observed) {
            return Ok(Some(why));
        }
        Ok(match tow_plan::next(op, journal, &view, self.now()) {
            Next::Wait(_, why) => Some(why),
            _ => None,
        })
    }
}

/// Why nobody can tell how an instance of this rollout is, as where the container engine is away.
pub(crate) fn trouble(
    op: &Operation,
    instances: &[Instance],
    observed: &Observed,
) -> Option<String> {
    let own = instances.iter().filter(|one| Some(one.deployment) == op.deployment);
    own.into_iter().find_map(|one| {
        let seen = observed.instances.get(&one.id)?;
        let unknown = seen.phase == Phase::Unknown && !seen.message.is_empty();
        unknown.then(|| {
            format!("{}/{} {}: {}", one.workload, one.replica, one.container, seen.message)
        })
    })
}
