//! How things are, in the one vocabulary of state.

use crate::{Delivered, Placed, delivered, meaning, routes::instance_ready};
use tow_record::{Instance, Observed, ObservedInstance, Phase, State};

/// How one workload is in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadStatus {
    /// The word.
    pub state: State,
    /// Why it is not live; where it is, when it runs, if it does not run all the time.
    pub reason: String,
    /// Replicas all of whose containers are ready.
    pub ready: u32,
    /// Replicas wanted.
    pub wanted: u32,
}

/// When a workload runs that does not run all the time, for people.
pub(crate) fn runs_when(delivered: &Delivered) -> Option<String> {
    if !meaning(delivered.kind).runs {
        return None;
    }
    Some(match &delivered.schedule {
        Some((schedule, zone)) => format!("runs when it is due: {schedule} in {zone}"),
        None => "runs when somebody asks: tow job run".into(),
    })
}

/// How a workload is. `wanted`: replicas of the wanted deployment; `rolling`: an operation is under way.
pub fn workload_status(
    placed: &Placed<'_>,
    workload: &str,
    wanted: u32,
    rolling: bool,
    observed: &Observed,
) -> WorkloadStatus {
    let placement = placed.placement;
    let pods = placement.serving.iter().filter(|pod| pod.workload == workload);
    let ready = pods
        .clone()
        .filter(|pod| {
            pod.instances.iter().all(|id| observed.instances.get(id).is_some_and(instance_ready))
        })
        .count() as u32;
    let reason = pods
        .flat_map(|pod| &pod.instances)
        .find_map(|id| match observed.instances.get(id) {
            None => Some("an instance is gone; it is being replaced".to_string()),
            Some(seen) if instance_ready(seen) => None,
            Some(seen) => Some(instance_reason(seen)),
        })
        .unwrap_or_default();
    let wanted = if placement.stopped { 0 } else { wanted };
    let scaled = placed.release.workloads.get(workload).and_then(|file| {
        let release = placed.release;
        let name = &placement.place.environment;
        delivered(&release.delivery, &file.score, name, placed.environment).scale
    });
    let waits = placed.release.workloads.get(workload).and_then(|file| {
        let release = placed.release;
        let name = &placement.place.environment;
        runs_when(&delivered(&release.delivery, &file.score, name, placed.environment))
    });
    let (state, reason) = if rolling {
        (State::Rolling, reason)
    } else if placement.stopped {
        (State::Stopped, reason)
    } else if let Some(when) = waits {
        (State::Live, when)
    } else if scaled.is_some() && wanted == 0 {
        (State::Asleep, "a request wakes it".to_string())
    } else if wanted == 0 {
        (State::Stopped, "scaled to 0".to_string())
    } else if ready >= wanted {
        (State::Live, String::new())
    } else if scaled.is_some() && comes(placed, workload, observed) {
        (State::Rolling, reason)
    } else {
        (State::Degraded, reason)
    };
    WorkloadStatus { state, reason, ready, wanted }
}

/// Is all that is not ready on its way up for the first time, as after a step of scaling?
fn comes(placed: &Placed<'_>, workload: &str, observed: &Observed) -> bool {
    let pods = placed.placement.serving.iter().filter(|pod| pod.workload == workload);
    let seen = pods.flat_map(|pod| &pod.instances).map(|id| observed.instances.get(id));
    let mut unready = seen.filter(|seen| !seen.is_some_and(instance_ready));
    unready.all(|seen| {
        seen.is_some_and(|seen| {
            seen.restarts == 0
                && seen.ready_since.is_none()
                && matches!(seen.phase, Phase::Starting | Phase::Running)
        })
    })
}

fn instance_reason(seen: &ObservedInstance) -> String {
    if !seen.message.is_empty() {
        return seen.message.clone();
    }
    match (&seen.probe, seen.phase) {
        (Some(probe), Phase::Running) if !probe.ok => probe.what.clone(),
        (_, phase) => format!("an instance is {phase:?}").to_lowercase(),
    }
}

/// How one instance is: `seen` is none where its runtime knows nothing of it.
pub fn instance_state(row: &Instance, serving: bool, seen: Option<&ObservedInstance>) -> State {
    let Some(seen) = seen else { return State::Unknown };
    if row.desired == tow_record::Desired::Stopped {
        return if seen.may_run() { State::Rolling } else { State::Stopped };
    }
    match seen.phase {
        Phase::Starting => State::Rolling,
        Phase::Running if seen.ready => State::Live,
        Phase::Running if serving => State::Degraded,
        Phase::Running => State::Rolling,
        Phase::Backoff => State::Degraded,
        Phase::CrashLoop | Phase::Lost => State::Failed,
        Phase::Stopping => State::Rolling,
        Phase::Exited if instance_ready(seen) => State::Stopped,
        Phase::Exited => State::Failed,
        Phase::Unknown => State::Unknown,
    }
}
