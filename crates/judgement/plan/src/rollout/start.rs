//! The start of what is new: which of the wanted pods are there, how far each is, and which container comes next.

use super::{InstanceDraft, Next, Rollout, usable};
use crate::{Course, PodWanted, pods::predecessors, routes::instance_ready};
use tow_model::kinds::workload::{ReadyState, Workload};
use tow_names::{Duration, Id, Timestamp};
use tow_record::{Exit, Instance, ObservedInstance, Phase, Pod, Stage};

/// A row that is not ready, and what is seen of it.
pub(super) type Unready<'a> = (&'a Instance, Option<&'a ObservedInstance>);

/// A wanted pod, as far as it is there.
pub(super) struct Found<'a> {
    pub(super) pod: Pod,
    /// All its containers have rows.
    pub(super) complete: bool,
    /// One of them is not ready.
    pub(super) unready: Option<Unready<'a>>,
    /// When all of them will have been ready for long enough.
    pub(super) healthy_at: Option<Timestamp>,
}

impl Found<'_> {
    /// It can serve.
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        self.complete && self.unready.is_none() && self.healthy_at.is_none_or(|at| at <= now)
    }
}

/// All wanted pods.
pub(super) struct Gathered<'a> {
    pub(super) found: Vec<Found<'a>>,
    /// The container to start now.
    pub(super) start: Option<InstanceDraft>,
    /// Old rows that must have stopped before the rest starts.
    pub(super) in_the_way: Vec<&'a Instance>,
    /// Pods that are not even looked at, because others come first.
    pub(super) held_back: bool,
}

impl<'a> Gathered<'a> {
    pub(super) fn complete(&self) -> bool {
        !self.held_back && self.found.iter().all(|found| found.complete)
    }

    pub(super) fn unready(&self) -> Option<Unready<'a>> {
        self.found.iter().find_map(|found| found.unready)
    }

    pub(super) fn healthy_at(&self) -> Option<Timestamp> {
        self.found.iter().filter_map(|found| found.healthy_at).max()
    }

    pub(super) fn pods(&self) -> Vec<Pod> {
        self.found.iter().map(|found| found.pod.clone()).collect()
    }
}

impl<'a> Rollout<'a> {
    /// Looks at all wanted pods. What has to stop before it starts does so last, when all else is ready; where some
    /// clients or some pods come first, not before that is over.
    pub(super) fn gather(&self) -> Gathered<'a> {
        let mut wanted = self.wanted();
        wanted.sort_by_key(|pod| self.stops_first(&pod.workload));
        let mut all =
            Gathered { found: Vec::new(), start: None, in_the_way: Vec::new(), held_back: false };
        for pod in &wanted {
            let stops_first = self.stops_first(&pod.workload);
            if stops_first && self.others_come_first(&all) {
                all.held_back = true;
                break;
            }
            if stops_first && self.row_missing(pod) {
                all.in_the_way.extend(self.running_old(pod));
            }
            let free = all.start.is_none() && all.in_the_way.is_empty() && self.has_room(pod);
            let (found, start) = self.look_at(pod, free);
            all.start = all.start.or(start);
            all.found.push(found);
        }
        all
    }

    fn others_come_first(&self, all: &Gathered<'_>) -> bool {
        match self.course {
            Course::AtOnce => false,
            Course::Rolling => !all.found.iter().all(|found| found.is_ready(self.now)),
            Course::Canary { .. } => {
                matches!(self.op.progress.stage, Stage::Start | Stage::Shift)
            }
        }
    }

    fn row_missing(&self, pod: &PodWanted) -> bool {
        pod.containers.iter().any(|container| self.row_of(pod, container).is_none())
    }

    /// One pod, and its next container where there may be one now.
    fn look_at(&self, pod: &PodWanted, free: bool) -> (Found<'a>, Option<InstanceDraft>) {
        let score = &self.release.workloads[&pod.workload].score;
        let mut found = Found {
            pod: Pod {
                workload: pod.workload.clone(),
                replica: pod.replica,
                revision: pod.revision.clone(),
                instances: Vec::new(),
            },
            complete: true,
            unready: None,
            healthy_at: None,
        };
        let mut start = None;
        for container in &pod.containers {
            let Some(row) = self.row_of(pod, container) else {
                found.complete = false;
                let so_far = predecessors(score, container).iter().all(|(before, ready)| {
                    self.row_of(pod, before)
                        .and_then(|row| self.view.observed.instances.get(&row.id))
                        .is_some_and(|seen| is_so_far(seen, *ready))
                });
                if free && so_far && start.is_none() {
                    start = Some(self.draft_of(pod, container, score));
                }
                continue;
            };
            found.pod.instances.push(row.id.clone());
            let seen = self.view.observed.instances.get(&row.id);
            match seen {
                Some(seen) if instance_ready(seen) => {
                    if seen.ready {
                        let since = seen.ready_since.unwrap_or(self.now);
                        let at = since.plus(self.min_healthy_time(pod, container, score));
                        found.healthy_at = found.healthy_at.max(Some(at));
                    }
                }
                seen => found.unready = found.unready.or(Some((row, seen))),
            }
        }
        (found, start)
    }

    fn min_healthy_time(&self, pod: &PodWanted, container: &str, score: &Workload) -> Duration {
        self.deliveries
            .get(pod.workload.as_str())
            .and_then(|delivered| crate::gate(score, container, delivered))
            .map_or(Duration::ZERO, |gate| gate.min_healthy_time)
    }

    /// Rows of a pod's workload that run what it shall not run any more.
    fn running_old(&self, pod: &PodWanted) -> impl Iterator<Item = &'a Instance> {
        let (workload, revision) = (pod.workload.clone(), pod.revision.clone());
        let (rows, seen) = (self.view.instances, self.view.observed);
        rows.iter().filter(move |row| {
            row.workload == workload
                && row.revision != revision
                && seen.instances.get(&row.id).is_some_and(ObservedInstance::may_run)
        })
    }

    pub(super) fn row_of(&self, pod: &PodWanted, container: &str) -> Option<&'a Instance> {
        let view = self.view;
        view.instances.iter().find(|row| {
            row.workload == pod.workload
                && row.replica == pod.replica
                && row.container == container
                && row.revision == pod.revision
                && usable(row, view.observed)
        })
    }

    fn draft_of(&self, pod: &PodWanted, container: &str, score: &Workload) -> InstanceDraft {
        let ports = pod
            .containers
            .iter()
            .find_map(|other| self.row_of(pod, other))
            .map(|row| row.ports.clone());
        InstanceDraft {
            workload: pod.workload.clone(),
            replica: pod.replica,
            container: container.to_string(),
            revision: pod.revision.clone(),
            ports,
            port_names: score.service.iter().flat_map(|s| s.ports.keys().cloned()).collect(),
        }
    }

    /// Everything before the deployment takes over.
    pub(super) fn before_switch(&self) -> Next {
        if let (Course::Canary { steps, .. }, Stage::Shift) = (&self.course, self.op.progress.stage)
        {
            return self.tried(steps);
        }
        let op = self.op;
        let all = self.gather();
        if !op.heal
            && let Some(failure) = self.gate_failure(&all)
        {
            return Next::Fail(failure);
        }
        if let Some(draft) = all.start {
            return Next::Start(draft);
        }
        let mut wait = None;
        if self.course == Course::Rolling {
            match self.replaced(&all.pods()) {
                Some(Next::Wait(until, why)) => wait = Some(Next::Wait(until, why)),
                Some(next) => return next,
                None => {}
            }
        }
        let unready = all.unready();
        if let Some(row) =
            all.in_the_way.iter().find(|row| row.desired == tow_record::Desired::Running)
            && (op.heal || unready.is_none())
        {
            return Next::Stop(row.id.clone(), self.grace(row));
        }
        if let (Some(row), true) = (all.in_the_way.first(), unready.is_none()) {
            return Next::Wait(op.deadline, format!("{} to stop", row.id));
        }
        if let (false, Some((row, seen))) = (op.heal, unready) {
            return Next::Wait(op.deadline, super::gate::waiting_for(row, seen));
        }
        if let (false, Some(at)) = (op.heal, all.healthy_at())
            && at > self.now
        {
            return Next::Wait(Some(at), "min_healthy_time to pass".into());
        }
        if let Some(held) = self.paused() {
            return held;
        }
        match self.shift(&all) {
            Some(next) => next,
            None if all.complete() => Next::Switch(all.pods(), tow_record::Turn::Over),
            None => wait.unwrap_or_else(|| {
                Next::Wait(op.deadline, "a container that others wait for".into())
            }),
        }
    }
}

fn is_so_far(seen: &ObservedInstance, ready: ReadyState) -> bool {
    match ready {
        ReadyState::Started => seen.phase == Phase::Running || seen.phase == Phase::Exited,
        ReadyState::Healthy => seen.ready,
        ReadyState::Complete => {
            seen.phase == Phase::Exited && seen.exit == Some(Exit::Code { code: 0 })
        }
    }
}

/// The instances of pods.
pub(super) fn instances(pods: &[Pod]) -> Vec<&Id> {
    pods.iter().flat_map(|pod| &pod.instances).collect()
}
