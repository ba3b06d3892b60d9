//! The ends of steps and of operations: what was seen, and what follows from it, in one commit.

use crate::{
    driver::{ReconcileError, Reconciler},
    journal::{failure, put},
    rollout::Driven,
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tow_names::{Duration, Id, Timestamp};
use tow_plan::last_words;
use tow_ports::LogQuery;
use tow_record::{
    Deployment, Effect, EventBody, Exit, Failure, Instance, LogLine, NewEvent, ObservedInstance,
    Outcome, Phase, Reason, Release, Run, State, StepRow, StepState,
};
use tow_store::{Batch, Row};

/// So many log lines go with a failure.
const LOG_LINES: usize = 100;
/// So many are looked through for them: most may be answers to probes.
const LOOKED_THROUGH: usize = 1_000;
/// Of so many instances at most.
const SPEAKERS: usize = 4;

impl Reconciler {
    pub(crate) fn event(
        &self,
        driven: &Driven,
        kind: &str,
        summary: String,
        after: Value,
    ) -> NewEvent {
        let op = &driven.op.value;
        NewEvent {
            at: self.now(),
            actor: op.created_by.clone(),
            request: op.request.clone(),
            kind: kind.into(),
            subject: op.place.to_string(),
            body: EventBody { summary, before: Value::Null, after },
        }
    }

    /// A step's effect was seen.
    pub(crate) async fn conclude(
        &self,
        driven: &Driven,
        row: &Row<StepRow>,
    ) -> Result<(), ReconcileError> {
        let mut batch = self.batch();
        let mut done = row.value.clone();
        done.state = StepState::Done;
        done.at = self.now();
        batch.update(&done, row.version);
        match &row.value.step.effect {
            Effect::Build { .. } => self.built(driven, &mut batch).await?,
            Effect::Start { .. } | Effect::Stop { .. } => {}
            Effect::Run { .. } => self.commanded(driven, &mut batch),
            Effect::Switch { turn, .. } => self.switched(driven, *turn, &mut batch).await?,
            Effect::Note => {}
            Effect::Remove { instance } => {
                batch.remove::<Instance>(instance.as_str(), None);
            }
        }
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    async fn built(&self, driven: &Driven, batch: &mut Batch) -> Result<(), ReconcileError> {
        let build = driven.op.value.build_id();
        let Some(artifact) = driven.observed.builds.get(&build).and_then(|b| b.artifact.clone())
        else {
            return Ok(());
        };
        batch.upsert(&artifact);
        let summary =
            format!("artifact {} was built, {} bytes", artifact.digest.short(), artifact.size);
        let after = json!({"key": artifact.key, "digest": artifact.digest, "tool": artifact.tool});
        batch.event(self.event(driven, "artifact.built", summary, after));
        Ok(())
    }

    /// A command of the release ended well. What it took is not taken from the time that the release has to become ready.
    fn commanded(&self, driven: &Driven, batch: &mut Batch) {
        let mut op = driven.op.value.clone();
        if let (false, Some(deployed)) = (op.switched, &driven.deployed) {
            op.deadline = self.patience(driven, &deployed.1);
            batch.update(&op, driven.op.version);
        }
    }

    /// A command of the release did not end well. Before the switch the release is not deployed; after it the release
    /// stays, and operation and deployment say what happened.
    pub(crate) async fn run_failed(
        &self,
        driven: &Driven,
        row: &Row<StepRow>,
        why: &str,
        run: Option<&Run>,
    ) -> Result<(), ReconcileError> {
        let mut batch = self.batch();
        let mut failed = row.value.clone();
        failed.state = StepState::Failed;
        failed.at = self.now();
        failed.note = why.to_string();
        batch.update(&failed, row.version);
        if driven.op.value.failure.is_some() {
            // It goes back already: there is a better reason than this one.
            self.parts.store.commit(batch).await?;
            return Ok(());
        }
        let gate = if driven.op.value.switched { "post-deploy" } else { "release" };
        let instance = run.and_then(|run| run.instance.clone());
        let failure = Failure { gate: gate.into(), message: why.into(), instance, log: Vec::new() };
        if driven.op.value.switched {
            self.note_remark(driven, failure, &mut batch).await?;
        } else {
            self.note_failure(driven, failure, &mut batch).await?;
        }
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// Until when a release that starts now must be ready.
    pub(crate) fn patience(&self, driven: &Driven, release: &Release) -> Option<Timestamp> {
        let place = &driven.op.value.place.environment;
        let each = release.workloads.values().map(|file| {
            let said =
                tow_plan::delivered(&release.delivery, &file.score, place, &driven.environment);
            Duration::from_micros(said.deadline.micros() + said.min_healthy_time.micros())
        });
        each.max().map(|patience| self.now().plus(patience))
    }

    /// A step can't succeed: the operation fails, and from here on clears away what it brought.
    pub(crate) async fn fail_step(
        &self,
        driven: &Driven,
        row: &Row<StepRow>,
        why: &str,
    ) -> Result<(), ReconcileError> {
        let mut batch = self.batch();
        let mut failed = row.value.clone();
        failed.state = StepState::Failed;
        failed.at = self.now();
        failed.note = why.to_string();
        batch.update(&failed, row.version);
        let (gate, instance) = match &row.value.step.effect {
            Effect::Build { .. } => ("build", Some(driven.op.value.build_id())),
            Effect::Start { instance } => ("start", Some(instance.id.clone())),
            _ => ("step", None),
        };
        let failure = Failure { gate: gate.into(), message: why.into(), instance, log: Vec::new() };
        self.note_failure(driven, failure, &mut batch).await?;
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// A step whose effect is not there and shall not be made any more.
    pub(crate) async fn abandon(&self, row: &Row<StepRow>) -> Result<(), ReconcileError> {
        let mut batch = self.batch();
        let mut failed = row.value.clone();
        failed.state = StepState::Failed;
        failed.at = self.now();
        failed.note = "the operation failed before it could be made".into();
        batch.update(&failed, row.version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    pub(crate) async fn fail(
        &self,
        driven: &Driven,
        failure: Failure,
    ) -> Result<(), ReconcileError> {
        let mut batch = self.batch();
        self.note_failure(driven, failure, &mut batch).await?;
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    async fn note_failure(
        &self,
        driven: &Driven,
        mut failure: Failure,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        failure.log = self.last_lines(driven, &failure).await;
        let mut op = driven.op.value.clone();
        let after = json!({"gate": failure.gate, "message": failure.message});
        let summary = format!("{}: {}: {}", op.place.short(), failure.gate, failure.message);
        if !op.heal
            && let Some(number) = op.deployment
            && let Some(row) =
                self.parts.store.get::<Deployment>(&format!("{}/{number}", op.place)).await?
        {
            let mut deployment = row.value;
            deployment.state = State::Failed;
            let message = format!("{}: {}", failure.gate, failure.message);
            deployment.outcome = Some(Outcome { succeeded: false, at: self.now(), message });
            batch.update(&deployment, row.version);
        }
        op.failure = Some(failure);
        batch.update(&op, driven.op.version);
        batch.event(self.event(driven, "deployment.failed", summary, after));
        Ok(())
    }

    /// It is live, and not all of it went well: the operation says so with the last words, the deployment for good.
    async fn note_remark(
        &self,
        driven: &Driven,
        mut remark: Failure,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        remark.log = self.last_lines(driven, &remark).await;
        let mut op = driven.op.value.clone();
        let after = json!({"gate": remark.gate, "message": remark.message});
        let message = format!("{}: {}", remark.gate, remark.message);
        if let Some(number) = op.deployment
            && let Some(row) =
                self.parts.store.get::<Deployment>(&format!("{}/{number}", op.place)).await?
            && let Some(outcome) = &row.value.outcome
        {
            let mut deployment = row.value.clone();
            // Of several workloads each has a command of its own.
            let message = match outcome.message.as_str() {
                "" => message.clone(),
                earlier => format!("{earlier}; {message}"),
            };
            deployment.outcome = Some(Outcome { message, ..outcome.clone() });
            batch.update(&deployment, row.version);
        }
        op.remark = Some(remark);
        batch.update(&op, driven.op.version);
        let summary = format!("{}: {message}", op.place.short());
        batch.event(self.event(driven, "deployment.remark", summary, after));
        Ok(())
    }

    /// The last words of whoever failed, before their logs are taken away: the one that did not hold first, then the
    /// others that came with it and are no better.
    async fn last_lines(&self, driven: &Driven, failure: &Failure) -> Vec<String> {
        let Some(id) = &failure.instance else { return Vec::new() };
        if failure.gate == "build" {
            let lines = self.parts.builder.log(id, LOG_LINES).await.unwrap_or_default();
            return lines.into_iter().map(|line| line.text).collect();
        }
        let op = &driven.op.value;
        let before = op.progress.before.iter().flat_map(|before| &before.serving);
        let before: Vec<&Id> = before.flat_map(|pod| &pod.instances).collect();
        // What a release does to requests, all of its instances do.
        let judged = matches!(failure.gate.as_str(), "bake" | "canary");
        let others = driven.instances.iter().map(|row| &row.value).filter(|row| {
            let seen = driven.observed.instances.get(&row.id);
            let no_better = judged || seen.is_some_and(|seen| !instance_well(seen));
            Some(row.deployment) == op.deployment
                && row.id != *id
                && no_better
                && !before.contains(&&row.id)
        });
        let first = driven.instances.iter().map(|row| &row.value).find(|row| row.id == *id);
        let speakers: Vec<&Instance> = match first {
            Some(first) => std::iter::once(first).chain(others).take(SPEAKERS).collect(),
            // A run's: nobody else is to blame for it.
            None => return self.said(id, &[]).await,
        };
        let mut all = Vec::new();
        for row in speakers {
            let release = driven.deployed.as_ref().map(|deployed| &deployed.1);
            let paths = release.map(|it| last_words::probed(it, &row.workload, &row.container));
            let who = format!("{}/{} {}", row.workload, row.replica, row.container);
            let lines = self.said(&row.id, &paths.unwrap_or_default()).await;
            all.push(last_words::Said { who, lines });
        }
        last_words::together(all, LOG_LINES)
    }

    /// What one of them said last, but for its answers to these probes.
    async fn said(&self, id: &Id, probes: &[String]) -> Vec<String> {
        let query = LogQuery { tail: Some(LOOKED_THROUGH), after: None, follow: false };
        let Ok(lines) = self.parts.runtime.logs(id, query).await else { return Vec::new() };
        let lines: Vec<LogLine> = lines.take(LOOKED_THROUGH).collect().await;
        let lines = lines.into_iter().map(|line| line.text).collect();
        last_words::without_probes(lines, probes, LOG_LINES)
    }

    /// The release and the deployment get their numbers: after the build, before anything runs.
    pub(crate) async fn number(&self, driven: &Driven) -> Result<(), ReconcileError> {
        let store = &self.parts.store;
        let mut op = driven.op.value.clone();
        let mut batch = self.batch();
        if !op.stops
            && let Some(gone) = self.still_declared(driven, &mut batch).await?
        {
            return self.fail(driven, failure("declared", gone)).await;
        }
        let release = match (&op.release, op.release_number) {
            (Some(release), _) => {
                let last = store.last::<Release>(&op.place.component.to_string()).await?;
                match last.map(|row| row.value) {
                    Some(last) if last.content == release.content => last,
                    last => {
                        let mut new = (**release).clone();
                        new.number = last.map_or(0, |last| last.number) + 1;
                        new.created_at = self.now();
                        batch.create(&new);
                        let summary =
                            format!("release {} of {}", new.number, new.component.short());
                        let after = json!({"release": new.number, "artifact": new.artifact, "commit": new.commit});
                        batch.event(self.event(driven, "release.created", summary, after));
                        new
                    }
                }
            }
            (None, Some(number)) => {
                let found = store.release(&op.place.component, number).await?;
                found.ok_or_else(|| ReconcileError::Port(format!("release {number} is gone")))?
            }
            (None, None) => return Err(ReconcileError::Port("nothing to deploy".into())),
        };
        let mut placement = driven.placement.value.clone();
        let deployment = Deployment {
            place: op.place.clone(),
            number: placement.next_deployment,
            release: release.number,
            config: op.config,
            variables: op.variables.clone(),
            runtime: op.runtime.clone(),
            replicas: op.replicas.clone(),
            salt: op.salt,
            reason: op.reason,
            created_by: op.created_by.clone(),
            created_at: self.now(),
            plan: op.plan.clone().unwrap_or_else(|| op.id.clone()),
            operation: op.id.clone(),
            state: State::Rolling,
            outcome: None,
        };
        placement.next_deployment += 1;
        put(&mut batch, &placement, driven.placement.version);
        batch.create(&deployment);
        op.deadline = self.patience(driven, &release);
        op.deployment = Some(deployment.number);
        batch.update(&op, driven.op.version);
        let word = op.reason.as_str();
        let summary = format!(
            "deployment {} of {}: {word}, release {}",
            deployment.number,
            op.place.short(),
            release.number
        );
        let after = json!({
            "deployment": deployment.number, "release": release.number, "reason": op.reason,
            "config": op.config, "replicas": op.replicas,
        });
        batch.event(self.event(driven, "deployment.created", summary, after));
        store.commit(batch).await?;
        Ok(())
    }

    /// All is done, or all is cleared away. `again`: what was before is deployed again, by an operation that begins where
    /// this one ends.
    pub(crate) async fn finish(&self, driven: &Driven, again: bool) -> Result<(), ReconcileError> {
        let mut op = driven.op.value.clone();
        op.finished_at = Some(self.now());
        op.progress.samples.clear();
        let mut batch = self.batch();
        if again {
            self.begin_again(driven, &mut op, &mut batch).await?;
        }
        batch.update(&op, driven.op.version);
        if op.heal && op.reason == Reason::Scale && op.failure.is_none() {
            // All there is to say was said when it began.
            self.parts.store.commit(batch).await?;
            return Ok(());
        }
        let number = op.deployment.unwrap_or(0);
        let (kind, summary) = match (&op.failure, op.heal, op.stops) {
            (Some(failure), _, _) => (
                "operation.failed",
                match op.deployment {
                    _ if op.progress.back_to.is_some() => {
                        let back = op.progress.back_to.unwrap_or_default();
                        let place = op.place.short();
                        format!("{place} went back to deployment {back}: {}", failure.message)
                    }
                    // Whether that comes to anything is for the operation to say that does it.
                    _ if op.progress.again.is_some() => format!(
                        "{} is deployed again as it was before: {}",
                        op.place.short(),
                        failure.message
                    ),
                    Some(1) => format!("{} does not run: {}", op.place.short(), failure.message),
                    _ => format!("{} stays as it was: {}", op.place.short(), failure.message),
                },
            ),
            (None, true, _) => ("operation.healed", format!("{} was repaired", op.place.short())),
            (None, false, true) => {
                ("deployment.stopped", format!("{} was stopped", op.place.short()))
            }
            (None, false, false) => {
                ("deployment.live", format!("deployment {number} of {} is live", op.place.short()))
            }
        };
        let after = json!({"operation": op.id, "deployment": op.deployment});
        batch.event(self.event(driven, kind, summary, after));
        self.parts.store.commit(batch).await?;
        Ok(())
    }
}

/// Is it as it is to be: ready, or through with what it was for?
fn instance_well(seen: &ObservedInstance) -> bool {
    seen.ready || (seen.phase == Phase::Exited && seen.exit == Some(Exit::Code { code: 0 }))
}
