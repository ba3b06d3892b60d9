//! What does not serve any more: drained, stopped, removed. All of it is told to stop before any of it is waited for.

use super::{Next, Rollout, View};
use crate::{AtSwitch, meaning};
use tow_names::{Duration, Id};
use tow_record::{Desired, Instance, ObservedInstance};

/// Requests under way in the whole pod of a row: they count for one of its containers, and need all of them.
pub(super) fn in_flight(row: &Instance, rows: &[&Instance], view: &View<'_>) -> u64 {
    let pod = |row: &Instance| (row.workload.clone(), row.replica, row.revision.clone());
    let counters = &view.observed.edge.targets;
    let of_pod = rows.iter().filter(|other| pod(other) == pod(row));
    of_pod.filter_map(|row| counters.get(row.id.as_str())).map(|target| target.in_flight).sum()
}

pub(super) fn take_down(row: &Instance, view: &View<'_>, grace: Duration) -> Option<Next> {
    match view.observed.instances.get(&row.id) {
        Some(seen) if row.desired == Desired::Running && seen.may_run() => {
            Some(Next::Stop(row.id.clone(), grace))
        }
        Some(seen) if seen.may_run() => Some(Next::Wait(None, format!("{} to stop", row.id))),
        _ => Some(Next::Remove(row.id.clone())),
    }
}

impl Rollout<'_> {
    /// After the deployment took over, and was watched where it is: what was before goes.
    pub(super) fn retire(&self) -> Next {
        let chosen = self.gather().pods();
        self.take_away(&super::start::instances(&chosen))
    }

    /// Drains, stops and removes everything but these.
    pub(super) fn take_away(&self, kept: &[&Id]) -> Next {
        let view = self.view;
        let mut old: Vec<&Instance> =
            view.instances.iter().filter(|row| !kept.contains(&&row.id)).collect();
        old.sort_by_key(|row| !self.parks(&row.workload));
        let mut wait = None;
        for row in &old {
            let in_flight = in_flight(row, &old, view);
            let quiet = view.observed.edge.reachable && in_flight == 0;
            let drained = quiet || self.op.drain_until.is_some_and(|until| self.now >= until);
            if !view.observed.instances.get(&row.id).is_some_and(ObservedInstance::may_run) {
                continue;
            }
            if row.desired == Desired::Running && !drained && !self.parks(&row.workload) {
                let why = format!("{in_flight} requests in flight");
                wait = Some(Next::Wait(self.op.drain_until, why));
                continue;
            }
            if row.desired == Desired::Running {
                return Next::Stop(row.id.clone(), self.grace(row));
            }
            wait = wait.or(Some(Next::Wait(None, format!("{} to stop", row.id))));
        }
        let gone = old.iter().find(|row| {
            !view.observed.instances.get(&row.id).is_some_and(ObservedInstance::may_run)
        });
        match (gone, wait) {
            (Some(row), _) => Next::Remove(row.id.clone()),
            (None, Some(wait)) => wait,
            (None, None) => Next::Finish,
        }
    }

    /// What takes work from the new ones is stopped first of all, and has nothing to drain.
    pub(super) fn parks(&self, workload: &str) -> bool {
        let kind = self.deliveries.get(workload).map(|said| said.kind);
        kind.is_some_and(|kind| meaning(kind).at_switch == AtSwitch::Park)
    }

    /// While what was before stays warm, its workers are stopped: they would take work from the new ones.
    pub(super) fn park(&self) -> Option<Next> {
        let old = super::start::instances(self.before());
        let new = super::start::instances(&self.view.placement.serving);
        let row = self.view.instances.iter().find(|row| {
            old.contains(&&row.id)
                && !new.contains(&&row.id)
                && self.parks(&row.workload)
                && row.desired == Desired::Running
                && self.view.observed.instances.get(&row.id).is_some_and(ObservedInstance::may_run)
        })?;
        Some(Next::Stop(row.id.clone(), self.grace(row)))
    }
}
