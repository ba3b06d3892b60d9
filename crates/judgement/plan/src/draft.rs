//! The plan for people: every step labelled, with its reason, before anything happens.

use crate::{
    Course, Delivered, course, delivered, gate, meaning, pods, routes::why_no_route,
    status::runs_when, warnings,
};
use std::collections::BTreeMap;
use tow_model::kinds::{bake::Watched, environment::EnvironmentSpec};
use tow_record::{
    Action, BuildSpec, Change, Deployment, Gate, Placement, PlanStep, Reason, Release, RuntimeFacts,
};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What was asked for.
    pub change: &'a Change,
    /// Where things stand.
    pub placement: &'a Placement,
    /// The environment.
    pub environment: &'a EnvironmentSpec,
    /// What its runtime can do.
    pub runtime: &'a RuntimeFacts,
    /// What is deployed now.
    pub current: Option<(&'a Deployment, &'a Release)>,
    /// What would be deployed; its number is 0 where it gets a new one.
    pub release: &'a Release,
    /// The deployment as it would be.
    pub deployment: &'a Deployment,
    /// The build that would come first.
    pub build: Option<&'a BuildSpec>,
    /// Catalog objects that would be created, as references.
    pub creates: &'a [String],
    /// The URLs as far as they are known.
    pub urls: &'a [String],
}

/// A plan's visible part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// In order.
    pub steps: Vec<PlanStep>,
    /// How many do something.
    pub changes: u32,
    /// What must hold before the switch.
    pub gates: Vec<Gate>,
    /// What is allowed but should be known.
    pub warnings: Vec<String>,
}

/// Makes the visible part of a plan.
pub fn draft(input: &Draft<'_>) -> Drafted {
    let Draft { change, placement, current, release, deployment, .. } = *input;
    let mut steps = Vec::new();
    let mut step = |action, subject: String, reason: String| {
        steps.push(PlanStep { action, subject, reason });
    };
    for entity in input.creates {
        step(Action::Create, entity.clone(), "the catalog does not have it yet".into());
    }
    if let Some(build) = input.build {
        let how = match (&build.command, &build.found) {
            (Some(command), _) => format!("{command:?}"),
            (None, Some(found)) if found.toolchain.is_empty() => {
                format!("{}, because {}", found.tool, found.because)
            }
            (None, Some(found)) => {
                format!("{} ({}), because {}", found.tool, found.toolchain, found.because)
            }
            (None, None) => "the detected tool".into(),
        };
        step(
            Action::Create,
            "artifact (digest known after apply)".into(),
            format!("source {} was not built yet; built by {how}", build.source.short()),
        );
    } else if let (Some(source), Change::Deploy { .. }) = (&release.source, change) {
        step(
            Action::None,
            "artifact".into(),
            format!("source {} is built already", source.short()),
        );
    }
    if release.number == 0 {
        let why = match current {
            Some((_, now)) => {
                format!("differs from release {}: {}", now.number, difference(now, release))
            }
            None => "the first of this component here".into(),
        };
        step(Action::Create, "release (number known after apply)".into(), why);
    }
    if let Change::Config { version, .. } = change {
        step(Action::Create, format!("configuration {version}"), reason(input));
    }
    let revision = crate::revision(deployment);
    let wanted = pods(release, deployment);
    let why = reason(input);
    for name in workload_names(current, release) {
        let now = placement.serving.iter().filter(|pod| pod.workload == name);
        let kept =
            now.clone().filter(|pod| release.number != 0 && pod.revision == revision).count();
        let now = now.count();
        let then = wanted.iter().filter(|pod| pod.workload == name).count();
        let subject = format!("workload {name}");
        if let Some(when) = said(input, &name).as_ref().and_then(runs_when) {
            let (action, text) = run_step(input, &revision, &name, when, &why);
            step(action, subject, text);
            continue;
        }
        let recreated = said(input, &name)
            .and_then(|said| crate::recreate(&release.workloads.get(&name)?.score, &said));
        let (action, text) = match (now, then, kept) {
            (0, 0, _) => (Action::None, "nothing runs, nothing is wanted".to_string()),
            (0, then, _) => (Action::Create, format!("{then} × new; {why}")),
            (now, 0, _) => (Action::Destroy, format!("{now} × stopped after drain; {why}")),
            (now, then, kept) if kept == now && now == then => {
                (Action::None, format!("{now} × as wanted"))
            }
            (now, then, kept) if kept == now.min(then) && kept > 0 => {
                (Action::UpdateInPlace, format!("{now} → {then}; what runs stays; {why}"))
            }
            (now, then, _) if recreated.is_some() => (
                Action::Replace,
                format!(
                    "{now} → {then} × new; recreate, because {}: the old is stopped before the new starts, and \
                     nothing answers meanwhile; {why}",
                    recreated.unwrap_or_default()
                ),
            ),
            (now, then, _) => {
                (Action::Replace, format!("{now} → {then} × new, {}; {why}", how(input, &name)))
            }
        };
        step(action, subject, text);
    }
    for (when, name, argv) in commands(input) {
        step(Action::Create, format!("{when} command of {name}"), argv.join(" "));
    }
    for url in input.urls {
        let (action, why) = match (placement.serving.is_empty(), wanted.is_empty()) {
            (true, true) => (Action::None, "answers 503 with the reason"),
            (false, true) => (Action::UpdateInPlace, "answers 503 with the reason"),
            (false, false) => (Action::None, "stays"),
            (true, false) => (Action::Create, "answers once the switch is made"),
        };
        step(action, format!("route {url}"), why.into());
    }
    if let (true, true) = (input.urls.is_empty(), !wanted.is_empty()) {
        step(Action::None, "route".into(), why_no_route(release, input.environment));
    }
    let any = steps.iter().any(|step| step.action.changes());
    steps.extend(watched(input).filter(|_| any));
    let changes = steps.iter().filter(|step| step.action.changes()).count() as u32;
    let gates = if wanted.is_empty() || changes == 0 { Vec::new() } else { gates(input) };
    let is_served =
        |name: &&String| said(input, name).is_some_and(|said| meaning(said.kind).served);
    let served = release.workloads.keys().filter(is_served).cloned().collect();
    Drafted { steps, changes, gates, warnings: warnings(release, input.runtime, &served) }
}

/// What `tow.yaml` says of a workload of the release, here.
fn said(input: &Draft<'_>, workload: &str) -> Option<Delivered> {
    let score = &input.release.workloads.get(workload)?.score;
    let name = &input.placement.place.environment;
    Some(delivered(&input.release.delivery, score, name, input.environment))
}

/// How the new pods of a workload take over from the old ones.
fn how(input: &Draft<'_>, workload: &str) -> String {
    let all: BTreeMap<&str, Delivered> = input
        .release
        .workloads
        .keys()
        .filter_map(|name| Some((name.as_str(), said(input, name)?)))
        .collect();
    let reason = input.deployment.reason;
    let brings = matches!(reason, Reason::Deploy | Reason::Config | Reason::Rollback);
    match course(&all) {
        Course::Canary { steps, .. } if brings => {
            let steps = steps.iter().map(|step| match step.pause {
                Some(pause) => format!("{} % of the clients for {pause}", step.weight),
                None => format!("{} % until tow rollout resume", step.weight),
            });
            format!("canary: {}, then all", steps.collect::<Vec<_>>().join(", "))
        }
        Course::Rolling if brings || reason == Reason::Restart => {
            let (surge, fewer) = all.get(workload).map_or((1, 0), |d| (d.surge, d.unavailable));
            format!("rolling: at most {surge} more run and {fewer} fewer serve than wanted")
        }
        _ => "switched at once, then the old ones drained".into(),
    }
}

/// How it is watched once it took over, where something can be gone back to.
fn watched(input: &Draft<'_>) -> Option<PlanStep> {
    let reason = input.deployment.reason;
    let brings = matches!(reason, Reason::Deploy | Reason::Config | Reason::Rollback);
    if !brings || input.placement.serving.is_empty() || input.placement.stopped {
        return None;
    }
    let environment = input.environment;
    let Some(Watched { time, window, requests, errors, latency }) =
        Watched::of(environment.tier, environment.bake.as_ref())
    else {
        let off = environment.bake.as_ref().is_some_and(|bake| bake.off == Some(true));
        let why = match off {
            true => "the environment turns it off (bake.off)".to_string(),
            false => format!(
                "in tier {} nothing is, unless the environment says for how long (bake.for)",
                environment.tier.as_str()
            ),
        };
        return Some(PlanStep {
            action: Action::None,
            subject: "not watched".into(),
            reason: format!("once it serves, it stays whatever it answers: {why}"),
        });
    };
    Some(PlanStep {
        action: Action::Watch,
        subject: format!("bake {time}"),
        reason: format!(
            "goes back by itself if an instance ends or is ready no more, more than {errors} % of at least {requests} \
             requests in {window} fail, or answers take {latency} times as long as before"
        ),
    })
}

/// A workload that has no pods: what is deployed of it is what its next run is made of.
fn run_step(
    input: &Draft<'_>,
    revision: &str,
    name: &str,
    when: String,
    why: &str,
) -> (Action, String) {
    let before = input.current.filter(|(_, release)| release.workloads.contains_key(name));
    let same = before.is_some_and(|(deployment, _)| crate::revision(deployment) == revision);
    let stopped = input.placement.stopped;
    match (before.is_some(), input.deployment.reason == Reason::Stop) {
        (_, true) if stopped => (Action::None, "stopped already".into()),
        (_, true) => (Action::UpdateInPlace, "stopped: nothing of it is begun any more".into()),
        (false, false) => (Action::Create, format!("{when}; {why}")),
        (true, false) if same && !stopped && input.release.number != 0 => (Action::None, when),
        (true, false) => (Action::UpdateInPlace, format!("{when}; the next run is of this; {why}")),
    }
}

/// The release's own commands, as they will be run.
fn commands<'a>(input: &Draft<'a>) -> Vec<(&'static str, &'a str, Vec<String>)> {
    let brings =
        matches!(input.deployment.reason, Reason::Deploy | Reason::Config | Reason::Rollback);
    let stopped = input.placement.stopped && input.deployment.reason == Reason::Config;
    let mut all = Vec::new();
    for name in input.release.workloads.keys().filter(|_| brings && !stopped) {
        let Some(said) = said(input, name) else { continue };
        all.extend(said.release.map(|argv| ("release", name.as_str(), argv)));
        all.extend(said.post_deploy.map(|argv| ("post-deploy", name.as_str(), argv)));
    }
    all
}

fn gates(input: &Draft<'_>) -> Vec<Gate> {
    let environment = &input.placement.place.environment;
    let mut gates = Vec::new();
    for file in input.release.workloads.values() {
        let delivered =
            delivered(&input.release.delivery, &file.score, environment, input.environment);
        if !meaning(delivered.kind).pods {
            continue;
        }
        for container in crate::container_order(&file.score) {
            gates.extend(gate(&file.score, &container, &delivered));
        }
    }
    gates
}

fn workload_names(current: Option<(&Deployment, &Release)>, release: &Release) -> Vec<String> {
    let mut names: Vec<String> = release.workloads.keys().cloned().collect();
    if let Some((_, now)) = current {
        names.extend(now.workloads.keys().filter(|n| !release.workloads.contains_key(*n)).cloned());
    }
    names.sort();
    names.dedup();
    names
}

fn reason(input: &Draft<'_>) -> String {
    match input.change {
        Change::Deploy { .. } => match (input.current, input.release.number) {
            (Some((_, now)), 0) => format!("release {} → the new one", now.number),
            (Some((_, now)), number) if number != now.number => {
                format!("release {} → {number}", now.number)
            }
            (Some((now, _)), _) if now.config != input.deployment.config => {
                format!("configuration {} → {}", now.config, input.deployment.config)
            }
            (Some((now, _)), _) if now.variables != input.deployment.variables => {
                "the environment's variables changed".into()
            }
            (Some(_), _) => "the same release".into(),
            (None, _) => "first deployment here".into(),
        },
        Change::Rollback { to } => format!(
            "back to deployment {}, release {}",
            to.map_or_else(String::new, |n| n.to_string()),
            input.release.number
        ),
        Change::Config { set, unset, version } => {
            let mut what: Vec<String> = set.iter().map(|k| format!("{k} is set")).collect();
            what.extend(unset.iter().map(|k| format!("{k} is taken away")));
            format!("configuration {version}: {}", what.join(", "))
        }
        Change::Scale { .. } => "asked for".into(),
        Change::Restart => "fresh instances of the same".into(),
        Change::Stop => "asked to stop".into(),
        Change::Start => "asked to start".into(),
    }
}

/// What differs between two releases, in a line.
fn difference(old: &Release, new: &Release) -> String {
    let mut what = Vec::new();
    if old.artifact != new.artifact {
        what.push("source".to_string());
    }
    if old.delivery != new.delivery {
        what.push("tow.yaml".to_string());
    }
    let digests = |r: &Release| -> BTreeMap<String, String> {
        r.workloads.iter().map(|(n, w)| (n.clone(), w.digest.to_string())).collect()
    };
    let (before, after) = (digests(old), digests(new));
    for (name, digest) in &after {
        match before.get(name) {
            None => what.push(format!("{name} is new")),
            Some(was) if was != digest => what.push(format!("{name}'s Score file")),
            Some(_) => {}
        }
    }
    what.extend(before.keys().filter(|n| !after.contains_key(*n)).map(|n| format!("{n} is gone")));
    if what.is_empty() { "commit".into() } else { what.join(", ") }
}
