//! The way back: what was before serves again, and what is new is taken away.

use super::{
    Next, View,
    gate::brought,
    retire::{in_flight, take_down},
};
use crate::{AtSwitch, delivered, meaning, routes::instance_ready};
use tow_names::{Duration, Id, Timestamp};
use tow_record::{Before, Desired, Instance, Operation, Turn};

/// After a failure. Nothing of it is remembered but what was before: whether it serves still, serves again or can't any
/// more is seen.
pub(super) fn back(op: &Operation, view: &View<'_>, now: Timestamp) -> Next {
    let Some(before) = op.progress.before.as_ref().filter(|before| changed(op, before, view))
    else {
        return clear_away(op, view, now);
    };
    if is_warm(op, before, view) {
        return Next::Switch(before.serving.clone(), Turn::Back);
    }
    // What serves goes on serving until what was before is there again.
    match clear_away(op, view, now) {
        Next::Finish => Next::Again,
        other => other,
    }
}

/// Does anything serve that did not before?
fn changed(op: &Operation, before: &Before, view: &View<'_>) -> bool {
    op.switched || view.placement.trying.is_some() || view.placement.serving != before.serving
}

/// Can what was before serve again at once: was none of it taken away, and is somebody of each workload ready? Workers
/// that were parked are started again once it does.
fn is_warm(op: &Operation, before: &Before, view: &View<'_>) -> bool {
    let parks = |workload: &str| {
        let Some(release) = view.release else { return false };
        let Some(file) = release.workloads.get(workload) else { return false };
        let place = &op.place.environment;
        let said = delivered(&release.delivery, &file.score, place, view.environment);
        meaning(said.kind).at_switch == AtSwitch::Park
    };
    let there = |id: &Id| {
        let row = view.instances.iter().find(|row| row.id == *id);
        row.is_some_and(|row| row.desired == Desired::Running)
    };
    let ready = |id: &Id| view.observed.instances.get(id).is_some_and(instance_ready);
    let pods = || before.serving.iter().filter(|pod| !parks(&pod.workload));
    !before.serving.is_empty()
        && pods().all(|pod| pod.instances.iter().all(there))
        && pods().all(|pod| {
            let mut same = pods().filter(|other| other.workload == pod.workload);
            same.any(|other| other.instances.iter().all(ready))
        })
}

/// Takes away what is new and does not serve; what it is asked just now it may answer first. Rows keep their ports until
/// removed.
fn clear_away(op: &Operation, view: &View<'_>, now: Timestamp) -> Next {
    let rows: Vec<&Instance> = brought(op, view).collect();
    let mut wait = None;
    for row in &rows {
        let busy = op.drain_until.is_some_and(|until| until > now)
            && row.desired == Desired::Running
            && in_flight(row, &rows, view) > 0;
        if busy {
            wait = Some(Next::Wait(op.drain_until, "requests in flight".into()));
            continue;
        }
        if let Some(next) = take_down(row, view, Duration::from_secs(10)) {
            return next;
        }
    }
    wait.unwrap_or(Next::Finish)
}
