//! Runs: somebody wants one, looks at it, does not want it any more. Carried through by a controller.

use crate::handle::{body, page};
use crate::{App, AppError, Call, Handle, OpCtx, observe::places_of};
use serde_json::{Value, json};
use tow_api::Action;
use tow_api::run::{
    cancel::CancelRun,
    create::{Body, CreateRun},
    get::{GetRun, Path},
    list::{ListRuns, Reply, RunView},
};
use tow_model::kinds::delivery::{Concurrency, WorkloadKind};
use tow_names::{Duration, EntityRef, Name, Place};
use tow_plan::{
    Delivered,
    run::{RunOrder, ordered},
};
use tow_record::{Deployment, Desired, Release, Run, RunKind};
use tow_store::{Batch, Find, PlaceFacts, Row};

/// How long a long poll waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a cancel is tried again where the run moved meanwhile.
const TRIES: u32 = 5;

impl Handle<ListRuns> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListRuns>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places = places_of(query.component.as_deref(), query.environment.as_deref())?;
        if let Some(component) = &places.component {
            self.seen_row(ctx, component).await?;
        }
        if let Some(name) = &places.environment {
            self.environment_row(name).await?;
        }
        // What is filtered by is no column: all that are kept are looked through, and their number is bounded.
        let mut rows = self.store().latest::<Run>(&places, u32::MAX).await?;
        let sight = self.seen(ctx, rows.iter().map(|row| &row.value.place.component)).await?;
        rows.retain(|row| {
            let run = &row.value;
            sight.has(&run.place.component)
                && query.workload.as_ref().is_none_or(|name| *name == run.workload)
                && query.kind.is_none_or(|kind| kind == run.kind)
                && query.state.is_none_or(|state| state == run.state)
        });
        rows.sort_by(|a, b| {
            let key = |row: &Row<Run>| (row.value.created_at, row.value.id.clone());
            key(b).cmp(&key(a))
        });
        rows.truncate(page(query.limit) as usize);
        Ok(Reply { items: rows.iter().map(|row| view(row, false)).collect() })
    }
}

impl Handle<GetRun> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetRun>) -> Result<RunView, AppError> {
        let until = self.now().plus(PATIENCE);
        let mut commits = self.store().commits();
        loop {
            commits.mark_unchanged();
            let row = self.seen_run(ctx, &call.path.run).await?;
            let news = call.query.after.is_none_or(|after| row.version > after);
            if news || row.value.state.is_terminal() || self.now() >= until {
                let object = self.owner_of(&row.value.place, &[]).await?;
                let private = self.authorize(ctx, Action::ReadPrivate, &object).is_ok();
                return Ok(view(&row, private));
            }
            tokio::select! {
                _ = commits.changed() => {}
                () = self.parts.clock.sleep_until(until) => {}
            }
        }
    }
}

impl Handle<CreateRun> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<CreateRun>) -> Result<RunView, AppError> {
        self.write(ctx, &call, async |batch| {
            let of = self.runnable(ctx, &call.body.component, call.body.environment.as_deref());
            let (place, facts) = of.await?;
            self.run_created(ctx, &place, &facts, &call.body, batch)
        })
        .await
    }
}

impl Handle<CancelRun> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<CancelRun>) -> Result<RunView, AppError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self
                .write(ctx, &call, async |batch| self.cancelled(ctx, &call.path, batch).await)
                .await;
            match done {
                // The controller moved it on in this very moment.
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }
}

impl App {
    /// A run that the asker may know of.
    pub(crate) async fn seen_run(&self, ctx: &OpCtx, id: &str) -> Result<Row<Run>, AppError> {
        let missing = || AppError::not_found(format!("run {id}")).next("tow job list");
        let row = self.store().get::<Run>(id).await?.ok_or_else(missing)?;
        let component = &row.value.place.component;
        if !self.seen(ctx, [component]).await?.has(component) {
            return Err(missing());
        }
        Ok(row)
    }

    /// A place in which the asker may run something, and in which something is deployed.
    pub(crate) async fn runnable(
        &self,
        ctx: &OpCtx,
        component: &str,
        environment: Option<&str>,
    ) -> Result<(Place, PlaceFacts), AppError> {
        let component: EntityRef = crate::handle::component_ref(component)?;
        self.seen_row(ctx, &component).await?;
        let name = environment.unwrap_or("development");
        let name = Name::new(name).map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        self.environment_row(&name).await?;
        let place = Place::new(component, &name);
        let object = self.owner_of(&place, &[]).await?;
        self.authorize(ctx, Action::Deploy, &object)?;
        let facts = self.store().place(&place).await?;
        Ok((place, facts))
    }

    fn run_created(
        &self,
        ctx: &OpCtx,
        place: &Place,
        facts: &PlaceFacts,
        asked: &Body,
        batch: &mut Batch,
    ) -> Result<RunView, AppError> {
        let (deployment, release) = deployed(place, facts)?;
        let command = asked.command.clone();
        if command.as_ref().is_some_and(|command| command.is_empty() || command[0].is_empty()) {
            return Err(AppError::new("input/missing", "which command?").hint("tow run -- CMD"));
        }
        let meant = |said: &Delivered| command.is_some() || tow_plan::meaning(said.kind).runs;
        let (workload, said) = which(facts, deployment, release, asked.workload.as_deref(), meant)?;
        let kind = match (&command, said.kind) {
            (Some(_), _) => RunKind::Once,
            (None, WorkloadKind::Cron) => RunKind::Cron,
            (None, WorkloadKind::Job) => RunKind::Job,
            (None, kind) => {
                let what = format!("{workload} is a {}: it has no run of its own", kind.as_str());
                return Err(AppError::new("run/no-program", what)
                    .hint("a command of yours runs with everything that it has: tow run -- CMD"));
            }
        };
        let mut run = self.asked_run(ctx, facts, &workload, kind, command)?;
        if asked.timeout == Some(Duration::ZERO) {
            return Err(AppError::new("input/invalid", "a timeout of 0 leaves no time to run")
                .hint("as in --timeout 10m; nothing was started"));
        }
        if let Some(timeout) = asked.timeout {
            run.timeout = timeout;
        }
        if let (Some(retries), true) = (asked.retries, kind != RunKind::Once) {
            run.retries = retries.min(20);
        }
        Ok(self.write_run(ctx, run, batch))
    }

    /// A run that somebody asked for, of what is deployed now.
    pub(crate) fn asked_run(
        &self,
        ctx: &OpCtx,
        facts: &PlaceFacts,
        workload: &str,
        kind: RunKind,
        command: Option<Vec<String>>,
    ) -> Result<Run, AppError> {
        let place = &facts.placement.value.place;
        let (deployment, release) = deployed(place, facts)?;
        let environment = facts
            .environment
            .as_ref()
            .ok_or_else(|| AppError::not_found(format!("environment {}", place.environment)))?;
        ordered(RunOrder {
            id: Run::asked(),
            deployment,
            release,
            environment,
            workload,
            kind,
            command,
            cause: format!("asked for by {}", ctx.actor.name),
            by: &ctx.actor.name,
            request: &ctx.request,
            due: None,
            at: self.now(),
        })
        .ok_or_else(|| AppError::not_found(format!("workload {workload}")))
    }

    pub(crate) fn write_run(&self, ctx: &OpCtx, run: Run, batch: &mut Batch) -> RunView {
        batch.create(&run);
        let what = body(
            format!("{} {} of {}", run.kind.as_str(), run.workload, run.place.short()),
            Value::Null,
            json!({"run": run.id, "kind": run.kind, "workload": run.workload, "release": run.release}),
        );
        batch.event(self.event(ctx, "run.created", run.place.to_string(), what));
        view(&Row { value: run, version: 1 }, true)
    }

    async fn cancelled(
        &self,
        ctx: &OpCtx,
        path: &Path,
        batch: &mut Batch,
    ) -> Result<RunView, AppError> {
        let row = self.seen_run(ctx, &path.run).await?;
        let object = self.owner_of(&row.value.place, &[]).await?;
        self.authorize(ctx, Action::Deploy, &object)?;
        let mut run = row.value.clone();
        if run.state.is_terminal() || run.desired == Desired::Stopped {
            return Ok(view(&row, true));
        }
        run.desired = Desired::Stopped;
        run.note = format!("cancelled by {}", ctx.actor.name);
        batch.update(&run, row.version);
        let what = body(
            format!("{} {} of {}", run.kind.as_str(), run.workload, run.place.short()),
            Value::Null,
            json!({"run": run.id}),
        );
        batch.event(self.event(ctx, "run.cancelled", run.place.to_string(), what));
        Ok(view(&Row { value: run, version: row.version + 1 }, true))
    }

    /// Is one of this workload's schedule unfinished? Only one at a time may be, unless `tow.yaml` lets them queue.
    pub(crate) async fn refuse_second(
        &self,
        place: &Place,
        workload: &str,
        said: &Delivered,
    ) -> Result<(), AppError> {
        if said.concurrency != Concurrency::Forbid {
            return Ok(());
        }
        let find = Find { subject: Some(place.to_string()), open: Some(true), ..Find::default() };
        let open = self.store().list::<Run>(find).await?;
        let other = open
            .iter()
            .map(|row| &row.value)
            .find(|run| run.workload == workload && run.kind == RunKind::Cron);
        let Some(other) = other else { return Ok(()) };
        let what = format!("{} of {workload} is {}", other.id, other.state);
        Err(AppError::new("run/under-way", what)
            .hint("wait for it to end, or cancel it; concurrency: queue in tow.yaml lets them wait")
            .next(format!("tow job cancel {}", other.id)))
    }
}

/// What is deployed at a place.
pub(crate) fn deployed<'a>(
    place: &Place,
    facts: &'a PlaceFacts,
) -> Result<&'a (Deployment, Release), AppError> {
    facts.current.as_ref().ok_or_else(|| {
        let what = format!("{} has never been live", place.short());
        AppError::new("plan/nothing-runs", what).next("tow deploy")
    })
}

/// The workload that is meant: the one that was named; else the only one that `meant` picks; else the one that is named
/// like the component.
pub(crate) fn which(
    facts: &PlaceFacts,
    deployment: &Deployment,
    release: &Release,
    named: Option<&str>,
    meant: impl Fn(&Delivered) -> bool,
) -> Result<(String, Delivered), AppError> {
    let place = &deployment.place;
    let environment = facts
        .environment
        .as_ref()
        .ok_or_else(|| AppError::not_found(format!("environment {}", place.environment)))?;
    let said = |name: &str| {
        let score = &release.workloads.get(name)?.score;
        Some(tow_plan::delivered(&release.delivery, score, &place.environment, environment))
    };
    let known = || release.workloads.keys().cloned().collect::<Vec<_>>().join(", ");
    if let Some(name) = named {
        let said = said(name).ok_or_else(|| {
            AppError::not_found(format!("workload {name}")).hint(format!("workloads: {}", known()))
        })?;
        return Ok((name.to_string(), said));
    }
    let picked = release.workloads.keys().filter_map(|name| Some((name.clone(), said(name)?)));
    let mut picked: Vec<(String, Delivered)> = picked.filter(|(_, said)| meant(said)).collect();
    if picked.len() > 1 {
        let own = place.component.name().as_str();
        let like = |(name, _): &(String, Delivered)| name == own;
        if picked.iter().any(like) {
            picked.retain(like);
        }
    }
    match picked.len() {
        1 => Ok(picked.remove(0)),
        0 => Err(AppError::new("run/no-program", format!("{} has none of that", place.short()))
            .hint(format!("workloads: {}", known()))),
        _ => {
            let names: Vec<String> = picked.into_iter().map(|(name, _)| name).collect();
            Err(AppError::new("run/which", format!("which one: {}?", names.join(", ")))
                .hint("--workload NAME says it"))
        }
    }
}

/// `private`: its command may be shown.
pub(crate) fn view(row: &Row<Run>, private: bool) -> RunView {
    let run = row.value.clone();
    RunView {
        id: run.id.to_string(),
        component: run.place.component.to_string(),
        environment: run.place.environment.to_string(),
        workload: run.workload,
        kind: run.kind,
        state: run.state,
        finished: run.state.is_terminal(),
        version: row.version,
        cause: run.cause,
        command: run.command.filter(|_| private),
        release: run.release,
        deployment: run.deployment,
        attempt: run.attempt,
        retries: run.retries,
        exit: run.exit,
        note: run.note,
        instance: run.instance.as_ref().map(ToString::to_string),
        scheduled_at: run.scheduled_at,
        created_by: run.created_by,
        created_at: run.created_at,
        started_at: run.started_at,
        ended_at: run.ended_at,
    }
}
