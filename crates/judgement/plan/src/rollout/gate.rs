//! What keeps a release from serving at all: it does not stay up, or is not ready in time.

use super::{
    Rollout,
    start::{Gathered, Unready},
};
use crate::Course;
use tow_names::{Duration, Id};
use tow_record::{Exit, Failure, Instance, ObservedInstance, Operation, Phase};

use super::View;

/// Rows this operation brought that are not what serves.
pub(super) fn brought<'a>(
    op: &Operation,
    view: &View<'a>,
) -> impl Iterator<Item = &'a Instance> + use<'a> {
    let serving: Vec<Id> =
        view.placement.serving.iter().flat_map(|pod| pod.instances.clone()).collect();
    let deployment = op.deployment;
    view.instances
        .iter()
        .filter(move |row| Some(row.deployment) == deployment && !serving.contains(&row.id))
}

pub(super) fn waiting_for(row: &Instance, seen: Option<&ObservedInstance>) -> String {
    let name = named(row);
    match seen.and_then(|s| s.probe.as_ref()).filter(|p| !p.ok) {
        Some(probe) => format!("{name} to become ready: {}", probe.what),
        None => format!("{name} to become ready"),
    }
}

/// `web/0 main`
pub(super) fn named(row: &Instance) -> String {
    format!("{}/{} {}", row.workload, row.replica, row.container)
}

/// Why an instance can't be hoped for any more: it ended, again and again, or is gone.
pub(super) fn broken(row: &Instance, seen: &ObservedInstance) -> Option<Failure> {
    let name = named(row);
    // The runtime's own words say the code too.
    let exit = seen.exit.filter(|_| seen.message.is_empty());
    let never = seen.exit == Some(Exit::NotStarted);
    let why = match (seen.phase, exit) {
        // What could not be started once can't be started again: no such program, no such image.
        (Phase::Backoff | Phase::CrashLoop, _) if never => format!("{name} could not be started"),
        (Phase::CrashLoop, exit) => {
            format!("{name} ended {} times in a row{}", seen.restarts + 1, ended(exit))
        }
        (Phase::Exited, _) if seen.exit == Some(Exit::Code { code: 0 }) => return None,
        (Phase::Exited, exit) => format!("{name} ended{}", ended(exit)),
        (Phase::Lost, _) => format!("{name} is gone"),
        _ => return None,
    };
    // It is taken away now, so that nothing is started again.
    let said = seen.message.split("; started again in ").next().unwrap_or_default();
    let message = if said.is_empty() { why } else { format!("{why}: {said}") };
    Some(Failure { gate: "start".into(), message, instance: Some(row.id.clone()), log: Vec::new() })
}

pub(super) fn ended(exit: Option<Exit>) -> String {
    match exit {
        Some(Exit::Code { code }) => format!(", exit code {code}"),
        Some(Exit::Signal { signal }) => format!(", by signal {signal}"),
        Some(Exit::Timeout) => ", it took too long".into(),
        Some(Exit::NotStarted) => ", it could not be started".into(),
        Some(Exit::Unknown) | None => String::new(),
    }
}

impl Rollout<'_> {
    /// How long what is new may take to become ready, as `tow.yaml` has it.
    fn deadline(&self) -> Duration {
        self.deliveries.values().map(|said| said.deadline).max().unwrap_or(Duration::ZERO)
    }

    /// Why it can't be made live any more.
    pub(super) fn gate_failure(&self, all: &Gathered<'_>) -> Option<Failure> {
        for row in brought(self.op, self.view) {
            let seen = self.view.observed.instances.get(&row.id);
            if let Some(failure) = seen.and_then(|seen| broken(row, seen)) {
                return Some(failure);
            }
        }
        let unready: Option<Unready<'_>> = all.unready();
        // Of what is rolled a few at a time, most is not there for most of the time.
        let rolls = self.course == Course::Rolling;
        let lacks = all
            .found
            .iter()
            .any(|found| !found.complete && (!rolls || !found.pod.instances.is_empty()));
        if self.op.deadline.is_some_and(|deadline| self.now >= deadline)
            && (unready.is_some() || lacks)
        {
            let (message, instance) = match unready {
                Some((row, seen)) => (waiting_for(row, seen), Some(row.id.clone())),
                None => ("a container that others wait for did not get so far".into(), None),
            };
            return Some(Failure {
                gate: "deadline".into(),
                message: format!("not ready within {}; waited for {message}", self.deadline()),
                instance,
                log: Vec::new(),
            });
        }
        None
    }
}
