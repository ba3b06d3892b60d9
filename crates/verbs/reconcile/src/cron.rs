//! Schedules: what is due is made a run, or is reported as missed. The runs and the time up to which all is decided are
//! written in one commit, and a run's id is made of its firing: so each firing is decided once, whoever dies meanwhile.

use crate::{
    driver::{IDLE, ReconcileError, Reconciler, Ticked},
    snapshot::Snapshot,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_names::{Id, Place, Schedule, Timestamp};
use tow_plan::{
    Delivered,
    cron::{CronInput, Fired, fire},
    run::{RunOrder, ordered},
};
use tow_record::{
    CronState, Deployment, Desired, EventBody, NewEvent, Release, Run, RunKind, RunState,
};
use tow_store::{Find, Row};

/// One workload with a schedule, as it is deployed.
struct Due<'a> {
    place: &'a Place,
    workload: &'a str,
    delivered: Delivered,
    deployment: &'a Deployment,
    release: &'a Release,
    stopped: bool,
}

/// In whose name schedules fire.
const ACTOR: &str = "system:cron";

impl Reconciler {
    /// One look at every schedule.
    pub(crate) async fn crons(&self, snapshot: &Snapshot) -> Result<Ticked, ReconcileError> {
        let mut until = self.now().plus(IDLE);
        let states = self.parts.store.list::<CronState>(Find::default()).await?;
        let mut states: BTreeMap<String, Row<CronState>> = states
            .into_iter()
            .map(|row| (CronState::key(&row.value.place, &row.value.workload), row))
            .collect();
        let due = scheduled(snapshot);
        if due.is_empty() && states.is_empty() {
            return Ok(Ticked { progressed: false, until });
        }
        let open = Find { open: Some(true), ..Find::default() };
        let open = if due.is_empty() { Vec::new() } else { self.parts.store.list(open).await? };
        let mut progressed = false;
        for due in due {
            let state = states.remove(&CronState::key(due.place, due.workload));
            let Some((text, zone)) = &due.delivered.schedule else { continue };
            let schedule = match Schedule::parse(text, zone) {
                Ok(schedule) => schedule,
                Err(error) => {
                    tracing::warn!(place = %due.place, workload = due.workload, %error, "no schedule");
                    continue;
                }
            };
            let looked = match self.look_at_schedule(&due, &schedule, state, &open, snapshot).await
            {
                Err(ReconcileError::Moved(what)) => {
                    tracing::debug!(place = %due.place, what, "again");
                    Ticked { progressed: true, until }
                }
                looked => looked?,
            };
            progressed |= looked.progressed;
            until = until.min(looked.until);
        }
        for row in states.into_values() {
            progressed |= self.unscheduled(row, snapshot).await?;
        }
        Ok(Ticked { progressed, until })
    }

    async fn look_at_schedule(
        &self,
        due: &Due<'_>,
        schedule: &Schedule,
        state: Option<Row<CronState>>,
        open: &[Row<Run>],
        snapshot: &Snapshot,
    ) -> Result<Ticked, ReconcileError> {
        let now = self.now();
        let idle = now.plus(IDLE);
        let wrote = Ticked { progressed: true, until: idle };
        let Some(row) = state else {
            // What was due before anybody knew of it is nobody's firing.
            let mut batch = self.batch();
            batch.create(&CronState {
                place: due.place.clone(),
                workload: due.workload.to_string(),
                decided_until: now,
                paused: None,
                halted: due.stopped,
                fired: 0,
                missed: 0,
            });
            self.parts.store.commit(batch).await?;
            return Ok(wrote);
        };
        if row.value.halted != due.stopped {
            let mut state = row.value.clone();
            state.halted = due.stopped;
            // It begins anew: what was due while it was stopped was not wanted.
            state.decided_until = state.decided_until.max(now);
            let mut batch = self.batch();
            batch.update(&state, row.version);
            self.parts.store.commit(batch).await?;
            return Ok(wrote);
        }
        if due.stopped || row.value.paused.is_some() {
            return Ok(Ticked { progressed: false, until: idle });
        }
        let unfinished: Vec<Id> = open
            .iter()
            .filter(|run| run.value.place == *due.place && run.value.workload == due.workload)
            .filter(|run| run.value.kind == RunKind::Cron)
            .map(|run| run.value.id.clone())
            .collect();
        let input = CronInput {
            schedule,
            concurrency: due.delivered.concurrency,
            starting_deadline: due.delivered.starting_deadline,
            decided_until: row.value.decided_until,
            open: &unfinished,
        };
        let fired = fire(&input, now);
        if fired.until == row.value.decided_until {
            let until = fired.next.map_or(idle, |next| next.min(idle));
            return Ok(Ticked { progressed: false, until });
        }
        self.write_fired(due, schedule, &row, open, snapshot, fired).await?;
        Ok(wrote)
    }

    async fn write_fired(
        &self,
        due: &Due<'_>,
        schedule: &Schedule,
        row: &Row<CronState>,
        open: &[Row<Run>],
        snapshot: &Snapshot,
        fired: Fired,
    ) -> Result<(), ReconcileError> {
        let Some(environment) = snapshot.environments.get(&due.place.environment) else {
            return Ok(());
        };
        let run_at = |at: Timestamp| {
            ordered(RunOrder {
                id: Run::firing(due.place, due.workload, at),
                deployment: due.deployment,
                release: due.release,
                environment,
                workload: due.workload,
                kind: RunKind::Cron,
                command: None,
                cause: format!("due at {}", schedule.local(at)),
                by: ACTOR,
                request: "",
                due: Some(at),
                at: self.now(),
            })
        };
        let mut state = row.value.clone();
        let mut batch = self.batch();
        state.decided_until = fired.until;
        state.fired += fired.runs.len() as i64;
        state.missed += fired.missed.len() as i64 + fired.more;
        batch.update(&state, row.version);
        for at in &fired.runs {
            let Some(run) = run_at(*at) else { continue };
            batch.create(&run);
        }
        for missed in &fired.missed {
            let Some(mut run) = run_at(missed.at) else { continue };
            run.state = RunState::Missed;
            run.note.clone_from(&missed.why);
            run.ended_at = Some(self.now());
            let when = schedule.local(missed.at);
            let summary = format!(
                "cron {} of {} was not run at {when}: {}",
                due.workload,
                due.place.short(),
                missed.why
            );
            batch.event(self.run_event(&run, "run.missed", summary));
            batch.create(&run);
        }
        if fired.more > 0 {
            let more = fired.more;
            let summary = format!(
                "cron {} of {} was not run {more} more times: nobody was there to begin it",
                due.workload,
                due.place.short()
            );
            batch.event(NewEvent {
                at: self.now(),
                actor: ACTOR.into(),
                request: String::new(),
                kind: "run.missed".into(),
                subject: due.place.to_string(),
                body: EventBody {
                    summary,
                    before: Value::Null,
                    after: json!({"workload": due.workload, "more": more}),
                },
            });
        }
        let replaced: BTreeSet<&Id> = fired.replaced.iter().collect();
        for row in open.iter().filter(|row| replaced.contains(&row.value.id)) {
            let mut run = row.value.clone();
            if run.desired == Desired::Running {
                run.desired = Desired::Stopped;
                run.note = "a later one took its place".into();
                batch.update(&run, row.version);
            }
        }
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// A schedule that what is deployed does not have: it is at rest, and goes with its component.
    async fn unscheduled(
        &self,
        row: Row<CronState>,
        snapshot: &Snapshot,
    ) -> Result<bool, ReconcileError> {
        let mut state = row.value;
        let mut batch = self.batch();
        let there = snapshot.placements.iter().any(|other| other.value.place == state.place);
        if !there {
            batch.remove::<CronState>(
                CronState::key(&state.place, &state.workload),
                Some(row.version),
            );
        } else if !state.halted {
            state.halted = true;
            batch.update(&state, row.version);
        } else {
            return Ok(false);
        }
        self.parts.store.commit(batch).await?;
        Ok(true)
    }
}

/// Every workload with a schedule, as it is deployed.
fn scheduled(snapshot: &Snapshot) -> Vec<Due<'_>> {
    let mut all = Vec::new();
    for row in &snapshot.placements {
        let place = &row.value.place;
        let (Some(deployed), Some(environment)) =
            (snapshot.current.get(place), snapshot.environments.get(&place.environment))
        else {
            continue;
        };
        let (deployment, release) = (&deployed.0, &deployed.1);
        for (workload, file) in &release.workloads {
            let delivered = tow_plan::delivered(
                &release.delivery,
                &file.score,
                &place.environment,
                environment,
            );
            if delivered.schedule.is_some() {
                let stopped = row.value.stopped;
                all.push(Due { place, workload, delivered, deployment, release, stopped });
            }
        }
    }
    all
}
