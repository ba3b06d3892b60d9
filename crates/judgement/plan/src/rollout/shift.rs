//! From the old pods to the new ones, where that is more than one switch: a few at a time, or on some clients first.

use super::{
    Next, Rollout,
    start::{Gathered, instances},
};
use crate::{Course, PodWanted, meaning};
use std::collections::BTreeSet;
use tow_model::kinds::{delivery::CanaryStep, environment::EnvironmentSpec};
use tow_names::{Place, Timestamp};
use tow_record::{ObservedInstance, Operation, Pod, Release, Stage, Turn};

impl Rollout<'_> {
    /// The switch that comes before the one with which it takes over; none where that one is next.
    pub(super) fn shift(&self, all: &Gathered<'_>) -> Option<Next> {
        match &self.course {
            Course::AtOnce => None,
            Course::Canary { steps, .. } => self.first_clients(all, steps),
            Course::Rolling => self.batch(all),
        }
    }

    /// All new pods are ready: some clients are answered by them.
    fn first_clients(&self, all: &Gathered<'_>, steps: &[CanaryStep]) -> Option<Next> {
        if self.op.progress.stage != Stage::Start {
            return None;
        }
        let first = steps.first()?;
        if !all.found.iter().all(|found| found.is_ready(self.now)) {
            let why = "a container that others wait for".to_string();
            return Some(Next::Wait(self.op.deadline, why));
        }
        let new = all.pods().into_iter().filter(|pod| !self.before().contains(pod));
        let pods = self.before().iter().cloned().chain(new).collect();
        Some(Next::Switch(pods, Turn::Part { weight: Some(first.weight) }))
    }

    /// While it is tried on some clients: on to the next step, or to all of them, if what it does there is no worse than
    /// what those of before do meanwhile.
    pub(super) fn tried(&self, steps: &[CanaryStep]) -> Next {
        let progress = &self.op.progress;
        let numbers = self.numbers();
        let step = progress.step.clamp(1, u32::try_from(steps.len()).unwrap_or(1)) as usize;
        let Some(this) = steps.get(step - 1) else {
            return Next::Keep(Box::new(progress.at(Stage::Commit, self.now)));
        };
        let title = format!("canary, {} % of the clients", this.weight);
        if let Some(next) = self.watched(&numbers, "canary", &title) {
            return next;
        }
        if let Some(held) = self.paused() {
            return self.till_next_look(held);
        }
        let since = progress.since.unwrap_or(self.now);
        let due = this.pause.map(|pause| since.plus(pause));
        if progress.passed != Some(progress.step) && due.is_none_or(|due| due > self.now) {
            let why = match due {
                Some(due) => format!("{title}, until {}", super::hold::clock(due)),
                None => format!("{title}, until `tow rollout resume`"),
            };
            return self.till_next_look(Next::Wait(due, why));
        }
        match steps.get(step) {
            Some(next) => {
                let pods = self.view.placement.serving.clone();
                Next::Switch(pods, Turn::Part { weight: Some(next.weight) })
            }
            None => Next::Keep(Box::new(progress.at(Stage::Commit, self.now))),
        }
    }

    /// May another pod of this workload be started now? One that was begun is gone on with.
    pub(super) fn has_room(&self, pod: &PodWanted) -> bool {
        if self.course != Course::Rolling {
            return true;
        }
        let Some(said) = self.deliveries.get(pod.workload.as_str()) else { return true };
        if said.strategy.is_some_and(|s| s != tow_model::kinds::delivery::Strategy::Rolling) {
            return true;
        }
        let begun = |container: &String| self.row_of(pod, container).is_some();
        if pod.containers.iter().any(begun) {
            return true;
        }
        let wanted = self.deployment.replicas.get(&pod.workload).copied().unwrap_or(0);
        let running: BTreeSet<(u32, &str)> = self
            .view
            .instances
            .iter()
            .filter(|row| row.workload == pod.workload && self.may_run(row))
            .map(|row| (row.replica, row.revision.as_str()))
            .collect();
        (running.len() as u64) < u64::from(wanted) + u64::from(said.surge)
    }

    /// Is there, or may there be, a process of it? A row that nobody saw yet is about to have one.
    fn may_run(&self, row: &tow_record::Instance) -> bool {
        self.view.observed.instances.get(&row.id).is_none_or(ObservedInstance::may_run)
    }

    /// All that was started is ready, and no more can be started: those that are ready serve, and as many of before as it
    /// takes beside them.
    fn batch(&self, all: &Gathered<'_>) -> Option<Next> {
        if all.complete() && all.found.iter().all(|found| found.is_ready(self.now)) {
            return None;
        }
        let serving = &self.view.placement.serving;
        let mut pods: Vec<Pod> = Vec::new();
        let mut workloads: BTreeSet<&str> =
            serving.iter().map(|pod| pod.workload.as_str()).collect();
        workloads.extend(self.deliveries.keys());
        for workload in workloads {
            let ready: Vec<&Pod> = all
                .found
                .iter()
                .filter(|found| found.pod.workload == workload && found.is_ready(self.now))
                .map(|found| &found.pod)
                .collect();
            let mut old: Vec<&Pod> = serving
                .iter()
                .filter(|pod| pod.workload == workload && !ready.contains(pod))
                .filter(|pod| !all.found.iter().any(|found| found.pod.instances == pod.instances))
                .collect();
            // Of a workload that is stopped first, or goes with this release, all stay until the last switch.
            let keep = match self.deliveries.get(workload) {
                Some(said) if meaning(said.kind).pods && !self.stops_first(workload) => {
                    let wanted = self.deployment.replicas.get(workload).copied().unwrap_or(0);
                    let least = wanted.saturating_sub(said.unavailable) as usize;
                    match ready.len() >= wanted as usize {
                        true => 0,
                        false => least.saturating_sub(ready.len()),
                    }
                }
                _ => old.len(),
            };
            // Those whose number is taken by a new one go first.
            old.sort_by_key(|pod| pod.replica);
            let gone = old.len().saturating_sub(keep);
            pods.extend(ready.into_iter().cloned());
            pods.extend(old.into_iter().skip(gone).cloned());
        }
        let (new, now) = (instances(&pods), instances(serving));
        let same = new.len() == now.len() && new.iter().all(|id| now.contains(id));
        (!same).then_some(Next::Switch(pods, Turn::Part { weight: None }))
    }

    /// Old pods that serve no more are drained, stopped and removed while others still serve.
    pub(super) fn replaced(&self, wanted: &[Pod]) -> Option<Next> {
        let mut kept = instances(wanted);
        kept.extend(instances(&self.view.placement.serving));
        match self.take_away(&kept) {
            Next::Finish => None,
            next => Some(next),
        }
    }
}

/// The header by which a request says whether it wants the release that is tried.
pub fn header(release: &Release, place: &Place, environment: &EnvironmentSpec) -> String {
    match asked(release, place, environment) {
        Course::Canary { header, .. } => header,
        _ => tow_model::kinds::strategy::HEADER.into(),
    }
}

/// When the step of a canary ends by itself at which it is; none: it is at none, or waits for somebody to let it go on.
pub fn step_ends(
    op: &Operation,
    release: &Release,
    environment: &EnvironmentSpec,
) -> Option<Timestamp> {
    let progress = &op.progress;
    let Course::Canary { steps, .. } = asked(release, &op.place, environment) else { return None };
    let step = steps.get((progress.step as usize).checked_sub(1)?)?;
    let pause = step.pause.filter(|_| progress.stage == Stage::Shift)?;
    progress.since.map(|since| since.plus(pause))
}

/// The course that a release asks for.
fn asked(release: &Release, place: &Place, environment: &EnvironmentSpec) -> Course {
    let each = release.workloads.iter().map(|(name, file)| {
        let said =
            crate::delivered(&release.delivery, &file.score, &place.environment, environment);
        (name.as_str(), said)
    });
    crate::course(&each.collect())
}
