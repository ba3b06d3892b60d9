//! Carries runs through: begins an attempt, starts its instance, stops it where nobody wants it any more, writes down how
//! it ended. One controller for every run, whatever it is for. What is to be done is decided in `plan`.
//!
//! The row of an attempt's instance is committed before its start, and the run is terminal before anything of it is taken
//! away; what of ended runs is kept, and for how long, is the chore below.

use crate::{
    driver::{IDLE, RETRY, ReconcileError, Reconciler, Ticked},
    snapshot::Snapshot,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_names::{Duration, Name, Place};
use tow_plan::{
    SpecInput, attempt_spec,
    run::{RunNext, RunSight, next, surplus},
};
use tow_ports::PortError;
use tow_record::{
    Desired, EventBody, Exit, Instance, NewEvent, Observed, Placement, Run, RunKind, RunState,
};
use tow_store::{Batch, Find, Row};

/// So many runs are moved on in one look; the rest in the next.
const MOST: usize = 64;
/// So many ended runs are taken away in one look.
const MOST_REMOVED: usize = 50;
/// Ended runs are looked through so often.
const BETWEEN: Duration = Duration::from_secs(60);

impl Reconciler {
    /// One look at every unfinished run.
    pub(crate) async fn runs(
        &self,
        snapshot: &Snapshot,
        observed: &Observed,
    ) -> Result<Ticked, ReconcileError> {
        let mut until = self.now().plus(IDLE);
        let open = Find { open: Some(true), ..Find::default() };
        let rows = self.parts.store.list::<Run>(open).await?;
        let all: Vec<Run> = rows.iter().map(|row| row.value.clone()).collect();
        let mut moved = 0;
        for row in &rows {
            if moved == MOST {
                break;
            }
            let run = &row.value;
            let instance = run.instance.as_ref();
            let sight = RunSight {
                row: instance.and_then(|id| snapshot.attempts.get(id)),
                seen: instance.and_then(|id| observed.instances.get(id)),
                before: all.iter().find(|other| run.in_turn && other.comes_before(run)),
                unwanted: unwanted(run, snapshot),
            };
            let decided = next(run, &sight, self.now());
            if let RunNext::Wait(at, _) = decided {
                until = at.map_or(until, |at| until.min(at));
                continue;
            }
            match self.move_on(row, &sight, decided, snapshot).await {
                Ok(()) => moved += 1,
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(ReconcileError::Moved(what)) => {
                    tracing::debug!(run = %run.id, what, "again");
                    moved += 1;
                }
                Err(error) => {
                    tracing::warn!(run = %run.id, %error, "a run is tried again");
                    until = until.min(self.now().plus(RETRY));
                }
            }
        }
        Ok(Ticked { progressed: moved > 0, until })
    }

    async fn move_on(
        &self,
        row: &Row<Run>,
        sight: &RunSight<'_>,
        decided: RunNext,
        snapshot: &Snapshot,
    ) -> Result<(), ReconcileError> {
        let run = &row.value;
        match decided {
            RunNext::Wait(..) => Ok(()),
            RunNext::Begin(attempt) => self.begin_attempt(row, attempt, snapshot).await,
            RunNext::Start => match sight.row {
                Some(instance) => self.start_attempt(row, instance, snapshot).await,
                None => Ok(()),
            },
            RunNext::Stop => match &run.instance {
                Some(id) => Ok(self.parts.runtime.stop(self.epoch, id, run.grace).await?),
                None => Ok(()),
            },
            RunNext::Again { at, exit, note } => {
                let mut again = run.clone();
                again.state = RunState::Waiting;
                again.begun = false;
                again.not_before = Some(at);
                again.exit = exit;
                again.note = note;
                let mut batch = self.batch();
                batch.update(&again, row.version);
                self.parts.store.commit(batch).await?;
                Ok(())
            }
            RunNext::End { state, exit, note } => {
                self.end_run(row, state, exit, note, sight.seen.is_some()).await
            }
        }
    }

    /// The attempt and the row of its instance, then the start.
    async fn begin_attempt(
        &self,
        row: &Row<Run>,
        attempt: u32,
        snapshot: &Snapshot,
    ) -> Result<(), ReconcileError> {
        let mut run = row.value.clone();
        let instance = Instance {
            id: run.instance_id(attempt),
            place: run.place.clone(),
            deployment: run.deployment,
            release: run.release,
            workload: run.workload.clone(),
            container: run.container.clone(),
            replica: 0,
            revision: String::new(),
            node: self.parts.runtime.node(),
            runtime: self.runtime_of(&run).await?,
            run: Some(run.id.clone()),
            ports: BTreeMap::new(),
            desired: Desired::Running,
            created_at: self.now(),
        };
        run.attempt = attempt;
        run.begun = false;
        run.state = RunState::Running;
        run.instance = Some(instance.id.clone());
        run.not_before = None;
        let mut batch = self.batch();
        if run.started_at.is_none() {
            run.started_at = Some(self.now());
            batch.event(self.run_event(&run, "run.started", begins(&run)));
        }
        batch.update(&run, row.version);
        batch.create(&instance);
        self.parts.store.commit(batch).await?;
        let row = Row { value: run, version: row.version + 1 };
        self.start_attempt(&row, &instance, snapshot).await
    }

    async fn runtime_of(&self, run: &Run) -> Result<Name, ReconcileError> {
        let deployed =
            self.immutable.deployed(&self.parts.store, &run.place, run.deployment).await?;
        Ok(deployed.map_or_else(Name::local, |deployed| deployed.0.runtime.name.clone()))
    }

    /// Starts the attempt's instance; once, however often it is asked for. What can't ever start ends the run.
    async fn start_attempt(
        &self,
        row: &Row<Run>,
        instance: &Instance,
        snapshot: &Snapshot,
    ) -> Result<(), ReconcileError> {
        let run = &row.value;
        let refused = match self.attempt(run, instance, snapshot).await? {
            Ok(spec) => match self.parts.runtime.start(self.epoch, &spec).await {
                Ok(()) => return self.begun(row).await,
                Err(PortError::Refused(why) | PortError::NotThere(why)) => why,
                Err(error) => return Err(error.into()),
            },
            Err(why) => why,
        };
        self.end_run(row, RunState::Failed, Some(Exit::NotStarted), refused, false).await
    }

    /// The start was accepted. That it is written down is for a world that was lost, as behind a backup: what is not seen
    /// any more is not started again.
    async fn begun(&self, row: &Row<Run>) -> Result<(), ReconcileError> {
        let mut run = row.value.clone();
        run.begun = true;
        let mut batch = self.batch();
        batch.update(&run, row.version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// The spec of the attempt under way, or why there is none.
    async fn attempt(
        &self,
        run: &Run,
        instance: &Instance,
        snapshot: &Snapshot,
    ) -> Result<Result<tow_record::InstanceSpec, String>, ReconcileError> {
        let store = &self.parts.store;
        let Some(deployed) = self.immutable.deployed(store, &run.place, run.deployment).await?
        else {
            return Ok(Err(format!("deployment {} is gone", run.deployment)));
        };
        let (deployment, release) = (&deployed.0, &deployed.1);
        let Some(environment) = snapshot.environments.get(&run.place.environment) else {
            return Ok(Err(format!("environment {} was deleted", run.place.environment)));
        };
        let artifact = store.artifact(release).await?;
        let config = self.plain_values(&run.place, deployment.config).await?;
        let input = SpecInput {
            instance,
            release,
            deployment,
            environment,
            artifact: artifact.as_ref(),
            config: &config,
        };
        Ok(attempt_spec(input, run).map_err(|why| why.to_string()))
    }

    /// It ended for good. Of an instance that was never started nothing stays.
    async fn end_run(
        &self,
        row: &Row<Run>,
        state: RunState,
        exit: Option<Exit>,
        note: String,
        seen: bool,
    ) -> Result<(), ReconcileError> {
        let mut run = row.value.clone();
        let mut batch = self.batch();
        // A run that waits for its next attempt keeps what the last one left.
        if let (RunState::Running, false, Some(instance)) = (run.state, seen, &run.instance) {
            self.parts.runtime.remove(self.epoch, instance).await?;
            batch.remove::<Instance>(instance.as_str(), None);
        }
        // What was seen was begun, whoever died before writing that down.
        run.begun |= seen;
        run.state = state;
        run.exit = exit;
        run.note = note;
        run.not_before = None;
        run.ended_at = Some(self.now());
        batch.event(self.run_event(&run, "run.ended", ends(&run)));
        batch.update(&run, row.version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    pub(crate) fn run_event(&self, run: &Run, kind: &str, summary: String) -> NewEvent {
        let after = json!({
            "run": run.id, "kind": run.kind, "workload": run.workload, "state": run.state,
            "scheduled_at": run.scheduled_at, "exit": run.exit, "release": run.release,
        });
        NewEvent {
            at: self.now(),
            actor: run.created_by.clone(),
            request: run.request.clone(),
            kind: kind.into(),
            subject: run.place.to_string(),
            body: EventBody { summary, before: Value::Null, after },
        }
    }

    /// Ended runs that are kept no longer go, a bounded number at a time: first what is left of them in the world, then
    /// their rows and the run in one commit.
    pub(crate) async fn forget_runs(&self) -> Result<Ticked, ReconcileError> {
        let until = self.now().plus(BETWEEN);
        let ended = Find { open: Some(false), ..Find::default() };
        let rows = self.parts.store.list::<Run>(ended).await?;
        let ended: Vec<Run> = rows.into_iter().map(|row| row.value).collect();
        let placements = self.parts.store.list::<Placement>(Find::default()).await?;
        let there: BTreeSet<Place> = placements.into_iter().map(|row| row.value.place).collect();
        // Whose history is longer than the shortest possible is looked at more closely.
        let least = |place: &Place, _: &str| u32::from(there.contains(place));
        let suspects: BTreeSet<(Place, String)> =
            surplus(&ended, least).map(|run| (run.place.clone(), run.workload.clone())).collect();
        if suspects.is_empty() {
            return Ok(Ticked { progressed: false, until });
        }
        let snapshot = Snapshot::read(&self.parts.store, &self.immutable).await?;
        let history = |place: &Place, workload: &str| history(&snapshot, place, workload);
        let gone: Vec<&Run> = surplus(&ended, history).take(MOST_REMOVED).collect();
        let mut progressed = false;
        for run in gone {
            let mut batch = self.batch();
            for instance in run.instances().filter(|id| snapshot.attempts.contains_key(id)) {
                self.parts.runtime.remove(self.epoch, &instance).await?;
                batch.remove::<Instance>(instance.as_str(), None);
            }
            forget(&mut batch, run);
            self.parts.store.commit(batch).await?;
            progressed = true;
        }
        Ok(Ticked { progressed, until })
    }
}

fn forget(batch: &mut Batch, run: &Run) {
    batch.remove::<Run>(run.id.as_str(), None);
}

/// How many ended runs of a workload are kept; none where the component is not there any more.
fn history(snapshot: &Snapshot, place: &Place, workload: &str) -> u32 {
    const WHERE_IT_IS_NO_MORE: u32 = 3;
    if !snapshot.placements.iter().any(|row| row.value.place == *place) {
        return 0;
    }
    let said = || {
        let release = &snapshot.current.get(place)?.1;
        let environment = snapshot.environments.get(&place.environment)?;
        let score = &release.workloads.get(workload)?.score;
        Some(tow_plan::delivered(&release.delivery, score, &place.environment, environment).history)
    };
    said().unwrap_or(WHERE_IT_IS_NO_MORE)
}

/// Why nobody wants a run any more.
fn unwanted(run: &Run, snapshot: &Snapshot) -> Option<&'static str> {
    let Some(placement) = snapshot.placements.iter().find(|row| row.value.place == run.place)
    else {
        return Some("its component was deleted");
    };
    if !snapshot.environments.contains_key(&run.place.environment) {
        return Some("its environment was deleted");
    }
    (placement.value.stopped && run.kind == RunKind::Cron).then_some("its component was stopped")
}

fn begins(run: &Run) -> String {
    format!("{} {} of {} begins: {}", run.kind.as_str(), run.workload, run.place.short(), run.cause)
}

fn ends(run: &Run) -> String {
    let why = if run.note.is_empty() { String::new() } else { format!(": {}", run.note) };
    let what = run.kind.as_str();
    format!("{what} {} of {} {}{why}", run.workload, run.place.short(), run.state)
}
