//! The next step of a rollout: `(operation, journal, what is there, what is seen, now)` in, one decision out.
//!
//! Order: build → number → release commands → start every wanted container → all gates hold → one switch → post-deploy
//! commands, drain → stop → remove → end.
//! On failure before the switch: stop and remove what is new, end; what served goes on serving. After the switch there
//! is no way back but a new operation.

use crate::{
    AtSwitch, Delivered, PodWanted, delivered, meaning, pods,
    pods::predecessors,
    recreate,
    routes::instance_ready,
    run::{RunOrder, ordered},
};
use std::collections::BTreeMap;
use tow_model::kinds::{environment::EnvironmentSpec, workload::ReadyState};
use tow_names::{Duration, Id, Timestamp};
use tow_record::{
    Deployment, Desired, Effect, Exit, Failure, Instance, Observed, ObservedInstance, Operation,
    Phase, Placement, Pod, Reason, Release, Run, RunKind, StepRow, StepState,
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
    Switch(Vec<Pod>),
    /// Stop an instance.
    Stop(Id, Duration),
    /// Take away what a stopped one left.
    Remove(Id),
    /// Note that it failed; from here on it clears away.
    Fail(Failure),
    /// Nothing, until this time at the latest, and why.
    Wait(Option<Timestamp>, String),
    /// It ended.
    Finish,
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
    if op.failure.is_some() && !op.switched {
        return clear_away(op, view, now);
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
    let mut wanted = pods(release, deployment);
    let deliveries: BTreeMap<&str, Delivered> = release
        .workloads
        .iter()
        .map(|(name, file)| {
            let d =
                delivered(&release.delivery, &file.score, &op.place.environment, view.environment);
            (name.as_str(), d)
        })
        .collect();

    if !op.switched
        && let Some(next) = command(op, journal, view, &deliveries, RunKind::Release, now)
    {
        return next;
    }
    let stops_first = |workload: &str| {
        let score = &release.workloads[workload].score;
        deliveries.get(workload).and_then(|delivered| recreate(score, delivered)).is_some()
    };
    // What has to stop before it starts does so last, when all else is ready.
    wanted.sort_by_key(|pod| stops_first(&pod.workload));
    let mut in_the_way: Vec<&Instance> = Vec::new();
    let mut chosen: Vec<Pod> = Vec::new();
    let mut unready: Option<(&Instance, Option<&ObservedInstance>)> = None;
    let mut healthy_at: Option<Timestamp> = None;
    let mut start: Option<InstanceDraft> = None;
    for pod in &wanted {
        let score = &release.workloads[&pod.workload].score;
        let mut ids = Vec::new();
        for container in &pod.containers {
            let row = row_of(pod, container, view);
            let Some(row) = row else {
                let old = running_old(pod, view).filter(|_| stops_first(&pod.workload));
                in_the_way.extend(old);
                let waits = predecessors(score, container);
                let free = in_the_way.is_empty()
                    && waits.iter().all(|(before, ready)| {
                        row_of(pod, before, view)
                            .and_then(|row| view.observed.instances.get(&row.id))
                            .is_some_and(|seen| is_so_far(seen, *ready))
                    });
                if free && start.is_none() {
                    start = Some(draft_of(pod, container, score, view));
                }
                continue;
            };
            ids.push(row.id.clone());
            let seen = view.observed.instances.get(&row.id);
            let min = deliveries
                .get(pod.workload.as_str())
                .and_then(|delivered| crate::gate(score, container, delivered))
                .map_or(Duration::ZERO, |gate| gate.min_healthy_time);
            match seen {
                Some(seen) if instance_ready(seen) => {
                    let at = seen.ready_since.unwrap_or(now).plus(min);
                    if seen.ready {
                        healthy_at = healthy_at.max(Some(at));
                    }
                }
                seen => unready = unready.or(Some((row, seen))),
            }
        }
        chosen.push(Pod {
            workload: pod.workload.clone(),
            replica: pod.replica,
            revision: pod.revision.clone(),
            instances: ids,
        });
    }
    let complete =
        chosen.iter().zip(&wanted).all(|(pod, want)| pod.instances.len() == want.containers.len());

    if !op.switched {
        if !op.heal
            && let Some(failure) = gate_failure(op, view, unready, complete, now)
        {
            return Next::Fail(failure);
        }
        if let Some(draft) = start {
            return Next::Start(draft);
        }
        if let Some(row) = in_the_way.iter().find(|row| row.desired == Desired::Running)
            && (op.heal || unready.is_none())
        {
            return Next::Stop(row.id.clone(), grace(&deliveries, row));
        }
        if let (Some(row), true) = (in_the_way.first(), unready.is_none()) {
            return Next::Wait(op.deadline, format!("{} to stop", row.id));
        }
        if !complete {
            return Next::Wait(op.deadline, "a container that others wait for".into());
        }
        if let (false, Some((row, seen))) = (op.heal, unready) {
            return Next::Wait(op.deadline, waiting_for(row, seen));
        }
        if let (false, Some(at)) = (op.heal, healthy_at)
            && at > now
        {
            return Next::Wait(Some(at), "min_healthy_time to pass".into());
        }
        return Next::Switch(chosen);
    }
    let after = command(op, journal, view, &deliveries, RunKind::PostDeploy, now);
    if let Some(begin @ Next::Run(_)) = after {
        return begin;
    }
    match (retire(op, view, &chosen, &deliveries, now), after) {
        (Next::Finish, Some(wait)) => wait,
        (next, _) => next,
    }
}

/// The commands of a release before or after its switch, one after the other: begins the next one, or waits for one that
/// is under way. `None`: there are none, or all ended.
fn command(
    op: &Operation,
    journal: &[StepRow],
    view: &View<'_>,
    deliveries: &BTreeMap<&str, Delivered>,
    kind: RunKind,
    now: Timestamp,
) -> Option<Next> {
    let brings = matches!(op.reason, Reason::Deploy | Reason::Config | Reason::Rollback);
    if op.heal || op.stops || !brings {
        return None;
    }
    for (workload, delivered) in deliveries {
        let said = match kind {
            RunKind::Release => delivered.release.as_ref(),
            _ => delivered.post_deploy.as_ref(),
        };
        let Some(argv) = said else { continue };
        let id = Run::of_operation(&op.id, op.started_at, workload, kind);
        let begun = journal
            .iter()
            .rfind(|row| matches!(&row.step.effect, Effect::Run { run } if *run == id));
        match begun.map(|row| row.state) {
            Some(StepState::Started) => {
                let title = begun.map(|row| row.step.title.clone()).unwrap_or_default();
                return Some(Next::Wait(None, title));
            }
            Some(_) => {}
            None => {
                let run = ordered(RunOrder {
                    id,
                    deployment: view.deployment?,
                    release: view.release?,
                    environment: view.environment,
                    workload,
                    kind,
                    command: Some(argv.clone()),
                    cause: format!("deployment {}", view.deployment?.number),
                    by: &op.created_by,
                    request: &op.request,
                    due: None,
                    at: now,
                })?;
                return Some(Next::Run(Box::new(run)));
            }
        }
    }
    None
}

/// Rows of a pod's workload that run what it shall not run any more.
fn running_old<'a>(pod: &PodWanted, view: &View<'a>) -> impl Iterator<Item = &'a Instance> {
    let (workload, revision) = (pod.workload.clone(), pod.revision.clone());
    view.instances.iter().filter(move |row| {
        row.workload == workload
            && row.revision != revision
            && view.observed.instances.get(&row.id).is_some_and(ObservedInstance::may_run)
    })
}

/// How long a row's program may take to stop.
fn grace(deliveries: &BTreeMap<&str, Delivered>, row: &Instance) -> Duration {
    deliveries.get(row.workload.as_str()).map_or(Duration::from_secs(10), |d| d.grace)
}

fn row_of<'a>(pod: &PodWanted, container: &str, view: &View<'a>) -> Option<&'a Instance> {
    view.instances.iter().find(|row| {
        row.workload == pod.workload
            && row.replica == pod.replica
            && row.container == container
            && row.revision == pod.revision
            && usable(row, view.observed)
    })
}

fn draft_of(
    pod: &PodWanted,
    container: &str,
    score: &tow_model::kinds::workload::Workload,
    view: &View<'_>,
) -> InstanceDraft {
    let ports =
        pod.containers.iter().find_map(|other| row_of(pod, other, view)).map(|r| r.ports.clone());
    InstanceDraft {
        workload: pod.workload.clone(),
        replica: pod.replica,
        container: container.to_string(),
        revision: pod.revision.clone(),
        ports,
        port_names: score.service.iter().flat_map(|s| s.ports.keys().cloned()).collect(),
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

fn waiting_for(row: &Instance, seen: Option<&ObservedInstance>) -> String {
    let name = format!("{}/{} {}", row.workload, row.replica, row.container);
    match seen.and_then(|s| s.probe.as_ref()).filter(|p| !p.ok) {
        Some(probe) => format!("{name} to become ready: {}", probe.what),
        None => format!("{name} to become ready"),
    }
}

/// Rows this operation brought that are not what serves.
fn brought<'a>(op: &Operation, view: &View<'a>) -> impl Iterator<Item = &'a Instance> {
    let serving: Vec<Id> =
        view.placement.serving.iter().flat_map(|pod| pod.instances.clone()).collect();
    let deployment = op.deployment;
    view.instances
        .iter()
        .filter(move |row| Some(row.deployment) == deployment && !serving.contains(&row.id))
}

fn gate_failure(
    op: &Operation,
    view: &View<'_>,
    unready: Option<(&Instance, Option<&ObservedInstance>)>,
    complete: bool,
    now: Timestamp,
) -> Option<Failure> {
    for row in brought(op, view) {
        let Some(seen) = view.observed.instances.get(&row.id) else { continue };
        let name = format!("{}/{} {}", row.workload, row.replica, row.container);
        // The runtime's own words say the code too.
        let exit = seen.exit.filter(|_| seen.message.is_empty());
        let never = seen.exit == Some(Exit::NotStarted);
        let why = match (seen.phase, exit) {
            // What could not be started once can't be started again: no such program, no such image.
            (Phase::Backoff | Phase::CrashLoop, _) if never => {
                format!("{name} could not be started")
            }
            (Phase::CrashLoop, exit) => {
                format!("{name} ended {} times in a row{}", seen.restarts + 1, ended(exit))
            }
            (Phase::Exited, _) if seen.exit == Some(Exit::Code { code: 0 }) => continue,
            (Phase::Exited, exit) => format!("{name} ended{}", ended(exit)),
            (Phase::Lost, _) => format!("{name} is gone"),
            _ => continue,
        };
        // It is taken away now, so that nothing is started again.
        let said = seen.message.split("; started again in ").next().unwrap_or_default();
        let message = if said.is_empty() { why } else { format!("{why}: {said}") };
        return Some(Failure {
            gate: "start".into(),
            message,
            instance: Some(row.id.clone()),
            log: Vec::new(),
        });
    }
    if op.deadline.is_some_and(|deadline| now >= deadline) && (unready.is_some() || !complete) {
        let (message, instance) = match unready {
            Some((row, seen)) => (waiting_for(row, seen), Some(row.id.clone())),
            None => ("a container that others wait for did not get so far".into(), None),
        };
        return Some(Failure {
            gate: "deadline".into(),
            message: format!("not ready in time; waited for {message}"),
            instance,
            log: Vec::new(),
        });
    }
    None
}

fn ended(exit: Option<Exit>) -> String {
    match exit {
        Some(Exit::Code { code }) => format!(", exit code {code}"),
        Some(Exit::Signal { signal }) => format!(", by signal {signal}"),
        Some(Exit::Timeout) => ", it took too long".into(),
        Some(Exit::NotStarted) => ", it could not be started".into(),
        Some(Exit::Unknown) | None => String::new(),
    }
}

/// Before the switch, after a failure: take away what is new. Rows keep their ports until removed.
fn clear_away(op: &Operation, view: &View<'_>, now: Timestamp) -> Next {
    let _ = now;
    for row in brought(op, view) {
        if let Some(next) = take_down(row, view, Duration::from_secs(10)) {
            return next;
        }
    }
    Next::Finish
}

fn take_down(row: &Instance, view: &View<'_>, grace: Duration) -> Option<Next> {
    match view.observed.instances.get(&row.id) {
        Some(seen) if row.desired == Desired::Running && seen.may_run() => {
            Some(Next::Stop(row.id.clone(), grace))
        }
        Some(seen) if seen.may_run() => Some(Next::Wait(None, format!("{} to stop", row.id))),
        _ => Some(Next::Remove(row.id.clone())),
    }
}

/// Requests under way in the whole pod of a row: they count for one of its containers, and need all of them.
fn in_flight(row: &Instance, rows: &[&Instance], view: &View<'_>) -> u64 {
    let pod = |row: &Instance| (row.workload.clone(), row.replica, row.revision.clone());
    let counters = &view.observed.edge.targets;
    let of_pod = rows.iter().filter(|other| pod(other) == pod(row));
    of_pod.filter_map(|row| counters.get(row.id.as_str())).map(|target| target.in_flight).sum()
}

/// After the switch: what no longer serves is drained, stopped and removed. All of it is told to stop before any of it
/// is waited for.
fn retire(
    op: &Operation,
    view: &View<'_>,
    chosen: &[Pod],
    deliveries: &BTreeMap<&str, Delivered>,
    now: Timestamp,
) -> Next {
    let serving: Vec<&Id> = chosen.iter().flat_map(|pod| &pod.instances).collect();
    let mut old: Vec<&Instance> =
        view.instances.iter().filter(|row| !serving.contains(&&row.id)).collect();
    // What takes work from the new ones is stopped first of all, and has nothing to drain.
    let parks = |row: &Instance| {
        let kind = deliveries.get(row.workload.as_str()).map(|d| d.kind);
        kind.is_some_and(|kind| meaning(kind).at_switch == AtSwitch::Park)
    };
    old.sort_by_key(|row| !parks(row));
    let mut wait = None;
    for row in &old {
        let in_flight = in_flight(row, &old, view);
        let quiet = view.observed.edge.reachable && in_flight == 0;
        let drained = quiet || op.drain_until.is_some_and(|until| now >= until);
        let running = view.observed.instances.get(&row.id).is_some_and(ObservedInstance::may_run);
        if !running {
            continue;
        }
        if row.desired == Desired::Running && !drained && !parks(row) {
            wait = Some(Next::Wait(op.drain_until, format!("{in_flight} requests in flight")));
            continue;
        }
        if row.desired == Desired::Running {
            return Next::Stop(row.id.clone(), grace(deliveries, row));
        }
        wait = wait.or(Some(Next::Wait(None, format!("{} to stop", row.id))));
    }
    let gone = old
        .iter()
        .find(|row| !view.observed.instances.get(&row.id).is_some_and(ObservedInstance::may_run));
    match (gone, wait) {
        (Some(row), _) => Next::Remove(row.id.clone()),
        (None, Some(wait)) => wait,
        (None, None) => Next::Finish,
    }
}
