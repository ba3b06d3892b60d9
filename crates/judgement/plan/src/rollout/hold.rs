//! Staying where it is: while a release is watched, while somebody paused it, until somebody breaks it off.

use super::{Next, Rollout, brings, gate};
use crate::{
    bake::{self, LOOK, Verdict},
    routes::instance_ready,
};
use std::collections::BTreeSet;
use tow_model::kinds::{bake::Watched, environment::EnvironmentSpec};
use tow_names::Timestamp;
use tow_record::{Failure, Instance, Operation, Phase, Pod, Progress, RoutePart, Stage, Tally};

/// How a deployment is watched once it took over with these pods; none: there is nothing to compare it with, nothing it
/// replaced, or nobody wants it.
pub fn bakes(op: &Operation, pods: &[Pod], environment: &EnvironmentSpec) -> Option<Watched> {
    let before = op.progress.before.as_ref()?;
    let replaced = before.serving.iter().any(|pod| !pods.contains(pod));
    let judged = replaced && !op.heal && !op.stops && op.reverts.is_none() && brings(op.reason);
    if !judged || pods.is_empty() {
        return None;
    }
    Watched::of(environment.tier, environment.bake.as_ref())
}

/// Was it broken off when its last switch was begun already? Then it takes over and goes back, if there is anything to go
/// back to.
pub fn returns(op: &Operation) -> bool {
    op.progress.aborted_by.is_some() && op.progress.has_before()
}

/// A time of day for people: `23:10:05 UTC`.
pub fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    let time = text.split('T').nth(1).unwrap_or(&text);
    format!("{} UTC", time.get(..8).unwrap_or(time))
}

impl Rollout<'_> {
    /// By which numbers it is judged on some clients.
    pub(super) fn numbers(&self) -> Option<Watched> {
        let said = self.view.environment.bake.clone().unwrap_or_default();
        (said.off != Some(true)).then(|| Watched::numbers(&said))
    }

    /// After the switch: what was before is warm, and it is watched until the time is over.
    pub(super) fn bake(&self) -> Next {
        let progress = &self.op.progress;
        let environment = self.view.environment;
        let watched = Watched::of(environment.tier, environment.bake.as_ref());
        let over = || Next::Keep(Box::new(progress.at(Stage::Retire, self.now)));
        // Somebody turned it off meanwhile.
        let Some(watched) = watched else { return over() };
        if let Some(next) = self.park() {
            return next;
        }
        let until = progress.since.unwrap_or(self.now).plus(watched.time);
        let title = format!("the bake, until {}", clock(until));
        if let Some(next) = self.watched(&Some(watched), "bake", &title) {
            return next;
        }
        if let Some(held) = self.paused() {
            return self.till_next_look(held);
        }
        if until <= self.now {
            return over();
        }
        self.till_next_look(Next::Wait(Some(until), title))
    }

    /// Looks, once a second: what was seen is to be kept, or is reason to go back. None: there is nothing new.
    pub(super) fn watched(
        &self,
        numbers: &Option<Watched>,
        gate: &str,
        title: &str,
    ) -> Option<Next> {
        let numbers = numbers.as_ref()?;
        let fail = |message: String, instance: Option<&Instance>| {
            Some(Next::Fail(Failure {
                gate: gate.into(),
                message,
                instance: instance.map(|row| row.id.clone()),
                log: Vec::new(),
            }))
        };
        if let Some((row, why)) = self.ailing() {
            return fail(why, Some(row));
        }
        let progress = &self.op.progress;
        let last = progress.samples.last();
        if last.is_some_and(|last| last.at.plus(LOOK) > self.now) {
            return None;
        }
        if !self.view.observed.edge.reachable {
            return Some(Next::Wait(Some(self.now.plus(LOOK)), title.to_string()));
        }
        let look = self.tally();
        if let Some(row) = last.filter(|last| look.restarts > last.restarts).and(self.restarted()) {
            let seen = self.view.observed.instances.get(&row.id);
            let exit = seen.and_then(|seen| seen.exit);
            return fail(
                format!("{} ended{} and was started again", gate::named(row), gate::ended(exit)),
                Some(row),
            );
        }
        let samples = bake::counted(&progress.samples, look, numbers.window);
        let before = progress.before.as_ref().map(|before| before.answered.clone());
        let beside = progress.stage == Stage::Shift;
        match bake::judge(numbers, &samples, &before.unwrap_or_default(), beside) {
            Verdict::Bad(what) => fail(what, self.new_rows().first().copied()),
            Verdict::Well | Verdict::NotYet => {
                let came = bake::last(&samples, numbers.window)
                    .map_or(0, |(first, last)| last.new.since(&first.new).requests);
                let most = progress.most.max(came);
                Some(Next::Keep(Box::new(Progress { samples, most, ..progress.clone() })))
            }
        }
    }

    /// Waits no longer than until the next look.
    pub(super) fn till_next_look(&self, next: Next) -> Next {
        // One that is due and was not made, as while the gateway does not answer, is no reason to look again at once.
        let look = self.op.progress.samples.last().map(|last| last.at.plus(LOOK));
        let look = look.filter(|look| *look > self.now);
        match (next, look) {
            (Next::Wait(until, why), Some(look)) => {
                Next::Wait(Some(until.map_or(look, |until| until.min(look))), why)
            }
            (next, _) => next,
        }
    }

    /// Somebody wants it to stay at this step.
    pub(super) fn paused(&self) -> Option<Next> {
        let held = self.op.progress.paused.as_ref()?;
        Some(Next::Wait(
            None,
            format!("`tow rollout resume`: paused by {}", super::words::short(&held.by)),
        ))
    }

    /// Somebody wants it to go back, and it still can.
    pub(super) fn aborted(&self) -> Option<Next> {
        let who = self.op.progress.aborted_by.as_ref()?;
        if self.op.progress.stage == Stage::Retire {
            return None;
        }
        Some(Next::Fail(Failure {
            gate: "aborted".into(),
            message: format!("{} broke it off", super::words::short(who)),
            instance: None,
            log: Vec::new(),
        }))
    }

    /// Rows of the pods that serve now and did not before.
    fn new_rows(&self) -> Vec<&Instance> {
        let before = self.before();
        let new = self.view.placement.serving.iter().filter(|pod| !before.contains(pod));
        let ids: Vec<_> = new.flat_map(|pod| &pod.instances).collect();
        self.view.instances.iter().filter(|row| ids.contains(&&row.id)).collect()
    }

    /// A new instance that ended, or is ready no more. The runtime has asked it three times by then.
    fn ailing(&self) -> Option<(&Instance, String)> {
        self.new_rows().into_iter().find_map(|row| {
            let name = gate::named(row);
            let Some(seen) = self.view.observed.instances.get(&row.id) else {
                return Some((row, format!("{name} is gone")));
            };
            if seen.phase == Phase::Unknown || instance_ready(seen) {
                return None;
            }
            if let Some(failure) = gate::broken(row, seen) {
                return Some((row, failure.message));
            }
            let why = match (seen.phase, &seen.probe) {
                (Phase::Running, Some(probe)) if !probe.ok => {
                    format!("{name} is ready no more: {}", probe.what)
                }
                (Phase::Running | Phase::Starting, _) if seen.restarts == 0 => {
                    format!("{name} is ready no more")
                }
                _ => format!("{name} ended{}", gate::ended(seen.exit)),
            };
            Some((row, why))
        })
    }

    fn restarted(&self) -> Option<&Instance> {
        let seen = &self.view.observed.instances;
        self.new_rows()
            .into_iter()
            .max_by_key(|row| seen.get(&row.id).map_or(0, |seen| seen.restarts))
    }

    /// What the gateway counted of it until now.
    fn tally(&self) -> Tally {
        let edge = &self.view.observed.edge;
        let rows = self.new_rows();
        let new: BTreeSet<i64> = rows.iter().map(|row| row.deployment).collect();
        let before = self.op.progress.before.as_ref();
        let old: BTreeSet<i64> = before
            .iter()
            .flat_map(|before| before.deployments.iter().copied())
            .filter(|deployment| !new.contains(deployment))
            .collect();
        let restarts = rows
            .iter()
            .filter_map(|row| self.view.observed.instances.get(&row.id))
            .map(|seen| seen.restarts)
            .sum();
        Tally {
            at: self.now,
            boot: edge.boot.clone(),
            new: answered(edge, &self.op.place, &new),
            old: answered(edge, &self.op.place, &old),
            restarts,
        }
    }
}

/// What these deployments answered of a place's requests so far.
pub fn answered(
    edge: &tow_record::ObservedEdge,
    place: &tow_names::Place,
    deployments: &BTreeSet<i64>,
) -> RoutePart {
    let own = format!("{place}/");
    let mut sum = RoutePart::default();
    for (_, counters) in edge.routes.iter().filter(|(id, _)| id.starts_with(&own)) {
        for (_, part) in counters.parts.iter().filter(|(n, _)| deployments.contains(n)) {
            sum.add(part);
        }
    }
    sum
}
