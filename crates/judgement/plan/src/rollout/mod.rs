//! The next step of a rollout: `(operation, journal, what is there, what is seen, now)` in, one decision out.
//!
//! Order: build → number → release commands → start the wanted containers → all gates hold → one switch → post-deploy
//! commands, bake → drain → stop → remove → end. A release that is rolled a few at a time, or tried on some clients first,
//! switches several times: the last of these switches is the one with which it takes over.
//! On failure what was before serves again, if it does not serve still, and what is new is taken away. Where nothing of
//! what was before is left to go back to, the operation ends and another one deploys it again.

mod back;
mod command;
mod gate;
mod hold;
mod retire;
mod shift;
mod start;
mod words;

pub use command::is_to_run;
pub use hold::{answered, bakes, clock, returns};
pub use shift::{header, step_ends};
pub use words::{ended, under_way};

use crate::{Course, Delivered, course, delivered, meaning, pods, recreate};
use std::collections::BTreeMap;
use tow_model::kinds::environment::EnvironmentSpec;
use tow_names::{Duration, Id, Timestamp};
use tow_record::{
    Deployment, Desired, Effect, Exit, Failure, Instance, Observed, Operation, Phase, Placement,
    Pod, Progress, Reason, Release, Run, RunKind, Stage, StepRow, Turn,
};

/// What a decision looks at besides the operation.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is the record of its name")]
pub struct View<'a> {
    pub placement: &'a Placement,
    /// The rows of the place.
    pub instances: &'a [Instance],
    pub observed: &'a Observed,
    /// The deployment that is being made live, once numbered.
    pub deployment: Option<&'a Deployment>,
    /// Its release.
    pub release: Option<&'a Release>,
    pub environment: &'a EnvironmentSpec,
    /// The artifact is there, or none is needed.
    pub built: bool,
}

/// A container to start; id and ports are found by whoever carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceDraft {
    /// `metadata.name` of the Score file.
    pub workload: String,
    /// Which replica, from 0.
    pub replica: u32,
    /// The container.
    pub container: String,
    /// The pod's revision.
    pub revision: String,
    /// Ports of the pod, if an earlier container of it has them already.
    pub ports: Option<BTreeMap<String, u16>>,
    /// The names of the pod's ports.
    pub port_names: Vec<String>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Build the artifact.
    Build,
    /// Give the release and the deployment their numbers.
    Number,
    /// Carry a command of the release through.
    Run(Box<Run>),
    /// Start a container.
    Start(InstanceDraft),
    /// Route to exactly these pods.
    Switch(Vec<Pod>, Turn),
    /// It is so far: to be kept with the operation.
    Keep(Box<Progress>),
    /// Stop an instance.
    Stop(Id, Duration),
    /// Take away what a stopped one left.
    Remove(Id),
    /// Note that it failed; from here on it goes back and clears away.
    Fail(Failure),
    /// Nothing, until this time at the latest, and why.
    Wait(Option<Timestamp>, String),
    /// It ended.
    Finish,
    /// It ended, and what was before it is to be deployed again: nothing of that is left to go back to.
    Again,
}

/// Can a row still become, or be, what is wanted? Not once its process can't come back by itself.
pub(crate) fn usable(row: &Instance, observed: &Observed) -> bool {
    row.desired == Desired::Running
        && observed.instances.get(&row.id).is_some_and(|seen| {
            seen.phase != Phase::Lost
                && (seen.phase != Phase::Exited || seen.exit == Some(Exit::Code { code: 0 }))
        })
}

/// Decides. Begun steps were settled before; a start that is not done shows as a row that nobody observed.
pub fn next(op: &Operation, journal: &[StepRow], view: &View<'_>, now: Timestamp) -> Next {
    if op.failure.is_some() {
        return back::back(op, view, now);
    }
    if !view.built {
        return match journal.iter().rfind(|row| matches!(row.step.effect, Effect::Build { .. })) {
            None => Next::Build,
            Some(row) => Next::Wait(None, row.step.title.clone()),
        };
    }
    let (Some(deployment), Some(release)) = (view.deployment, view.release) else {
        return Next::Number;
    };
    let rollout = Rollout::new(op, journal, view, deployment, release, now);
    if !op.switched
        && let Some(next) = rollout.command(RunKind::Release)
    {
        return next;
    }
    if let Some(aborted) = rollout.aborted() {
        return aborted;
    }
    if !op.switched {
        return rollout.before_switch();
    }
    let after = rollout.command(RunKind::PostDeploy);
    if let Some(begin @ Next::Run(_)) = after {
        return begin;
    }
    let next = match op.progress.stage {
        Stage::Bake => rollout.bake(),
        _ => rollout.retire(),
    };
    match (next, after) {
        (Next::Finish, Some(wait)) => wait,
        (next, _) => next,
    }
}

/// An operation whose release is known, with everything its decisions are made from.
struct Rollout<'a> {
    op: &'a Operation,
    journal: &'a [StepRow],
    view: &'a View<'a>,
    deployment: &'a Deployment,
    release: &'a Release,
    now: Timestamp,
    deliveries: BTreeMap<&'a str, Delivered>,
    course: Course,
}

impl<'a> Rollout<'a> {
    fn new(
        op: &'a Operation,
        journal: &'a [StepRow],
        view: &'a View<'a>,
        deployment: &'a Deployment,
        release: &'a Release,
        now: Timestamp,
    ) -> Self {
        let deliveries: BTreeMap<&str, Delivered> = release
            .workloads
            .iter()
            .map(|(name, file)| {
                let place = &op.place.environment;
                let said = delivered(&release.delivery, &file.score, place, view.environment);
                (name.as_str(), said)
            })
            .collect();
        let mut rollout = Self {
            op,
            journal,
            view,
            deployment,
            release,
            now,
            deliveries,
            course: Course::AtOnce,
        };
        rollout.course = rollout.taken();
        rollout
    }

    /// The course that is really taken: only what replaces something can take its time with it.
    fn taken(&self) -> Course {
        let op = self.op;
        if op.heal || op.stops || op.reverts.is_some() || self.before().is_empty() {
            return Course::AtOnce;
        }
        let asked = course(&self.deliveries);
        let tried =
            |name: &str| self.deliveries.get(name).is_some_and(|said| meaning(said.kind).routed);
        match (asked, op.reason) {
            (course @ Course::Rolling, reason) if brings(reason) || reason == Reason::Restart => {
                course
            }
            (course @ Course::Canary { .. }, reason)
                if brings(reason) && self.before().iter().any(|pod| tried(&pod.workload)) =>
            {
                course
            }
            _ => Course::AtOnce,
        }
    }

    /// The pods that served when the first of the new ones had not begun to.
    fn before(&self) -> &'a [Pod] {
        let op: &'a Operation = self.op;
        let view: &'a View<'a> = self.view;
        op.progress.before.as_ref().map_or(&view.placement.serving, |before| &before.serving)
    }

    /// Are its old pods stopped before its new ones start?
    fn stops_first(&self, workload: &str) -> bool {
        let score = self.release.workloads.get(workload).map(|file| &file.score);
        let said = self.deliveries.get(workload);
        score.zip(said).and_then(|(score, said)| recreate(score, said)).is_some()
    }

    /// How long a row's program may take to stop.
    fn grace(&self, row: &Instance) -> Duration {
        self.deliveries
            .get(row.workload.as_str())
            .map_or(Duration::from_secs(10), |said| said.grace)
    }

    fn wanted(&self) -> Vec<crate::PodWanted> {
        pods(self.release, self.deployment)
    }
}

/// Does it bring something new: another release, or another configuration of it?
fn brings(reason: Reason) -> bool {
    matches!(reason, Reason::Deploy | Reason::Config | Reason::Rollback)
}
