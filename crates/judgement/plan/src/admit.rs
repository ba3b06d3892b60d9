//! What a runtime of processes can't do yet, what no recipe makes, and what must not be: refused at plan time, by line.

use crate::{Delivered, delivered, meaning};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::{
    Invalid,
    kinds::{
        delivery::WorkloadKind,
        environment::{EnvironmentSpec, Tier},
        runtime::RuntimeType,
        workload::{Container, Scheme, Workload},
    },
    placeholder::{self, Part},
};
use tow_names::Place;
use tow_record::{BuildTool, Can, Executes, Isolation, Release, RuntimeFacts};

/// A broken rule and the Score file it is broken in (by `metadata.name`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The workload whose file it is.
    pub workload: String,
    /// Where and what.
    pub invalid: Invalid,
}

/// The types of resource that the platform makes by itself.
const MADE: [&str; 3] = ["environment", "route", "volume"];

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Admitted<'a> {
    /// What shall run.
    pub release: &'a Release,
    /// Where.
    pub place: &'a Place,
    /// Its environment.
    pub environment: &'a EnvironmentSpec,
    /// What would execute it.
    pub runtime: &'a Executes,
    /// What that can do just now.
    pub facts: &'a RuntimeFacts,
    /// The names of configuration that are set there.
    pub keys: &'a BTreeSet<String>,
    /// What builds its folder.
    pub tool: Option<BuildTool>,
    /// How many there would be of each workload.
    pub replicas: &'a BTreeMap<String, u32>,
    /// What is not there that would build it, and what would help.
    pub missing: Option<&'a str>,
}

/// Everything that keeps this release from running in this environment.
pub fn refusals(asked: &Admitted<'_>) -> Vec<Refusal> {
    let Admitted { release, environment, keys, facts, .. } = *asked;
    let name = &asked.place.environment;
    let mut all = Vec::new();
    for (workload, file) in &release.workloads {
        let mut found = Vec::new();
        let delivered = delivered(&release.delivery, &file.score, name, environment);
        if let Some(why) = &facts.unavailable {
            found.push(
                Invalid::new(
                    "/metadata/name",
                    "plan/runtime-unavailable",
                    format!(
                        "runtime {} of {name} can't run anything now: {why}",
                        asked.runtime.name
                    ),
                    "a runtime that is there",
                )
                .hint("tow doctor says what this machine can do"),
            );
        }
        kind_refusals(&file.score, &delivered, &mut found);
        crate::network::refusals(&file.score, &delivered, facts, &mut found);
        let count = asked.replicas.get(workload).copied().unwrap_or(0);
        crate::volumes::refusals(&file.score, &delivered, count, facts, &mut found);
        let routed = crate::routes::is_routed(release, asked.place, environment, workload);
        if let Some((why, expected)) =
            crate::scale::refusal(&file.score, &delivered, routed, facts.isolation)
        {
            found.push(Invalid::new("/metadata/name", "plan/scale", why, expected));
        }
        let (unknown, known) = crate::routes::unknown_rules(&file.score, &delivered);
        for name in unknown {
            let expected = match known.is_empty() {
                true => "no routes: it has none".to_string(),
                false => format!("one of {}", known.join(", ")),
            };
            let what = format!("tow.yaml says something of route {name}, which {workload} has not");
            found.push(Invalid::new("/metadata/name", "plan/route-unknown", what, expected));
        }
        if environment.tier == Tier::Production && facts.isolation < Isolation::Sandbox {
            found.push(
                Invalid::new(
                    "/metadata/name",
                    "plan/isolation",
                    format!(
                        "{name} is of tier production, and its runtime {} isolates nothing",
                        asked.runtime.name
                    ),
                    "isolation of level sandbox or better",
                )
                .hint("isolation: sandbox or type: container in its Runtime; or deploy to development or staging"),
            );
        }
        for (said, can, what) in [
            (delivered.confine.user.is_some(), Can::OtherUser, "confine.user"),
            (delivered.confine.read_only == Some(true), Can::ReadOnlyRoot, "confine.readOnly"),
        ] {
            if said && !meaning(delivered.kind).served && !facts.can(can) {
                found.push(
                    Invalid::new(
                        "/metadata/name",
                        "plan/confine",
                        format!(
                            "tow.yaml says {what} of {workload}, which runtime {} of {name} can't keep",
                            asked.runtime.name
                        ),
                        "a Runtime of type container, or not this word",
                    )
                    .hint("an override in tow.yaml says it only where containers run"),
                );
            }
        }
        for (container, spec) in &file.score.containers {
            let at = format!("/containers/{container}");
            if spec.image == "." {
                // The platform's own server serves files: it stands on no image.
                let serves = meaning(delivered.kind).served
                    || (spec.command.as_ref().is_none_or(Vec::is_empty)
                        && may_make_files(asked.tool));
                built_refusals(&at, asked, delivered.kind, serves, &mut found);
            }
            container_refusals(&at, spec, facts, &mut found);
            probe_refusals(&at, &file.score, spec, &mut found);
        }
        resource_refusals(&file.score, keys, &mut found);
        all.extend(
            found.into_iter().map(|invalid| Refusal { workload: workload.clone(), invalid }),
        );
    }
    all
}

/// What is allowed but should be known. `served`: the workloads of which only files are served.
pub fn warnings(
    release: &Release,
    runtime: &RuntimeFacts,
    served: &BTreeSet<String>,
) -> Vec<String> {
    let mut all = Vec::new();
    // Files are served by the platform itself: nothing of such a release runs.
    let runs = release.workloads.iter().any(|(name, _)| !served.contains(name));
    if runtime.isolation == Isolation::None && runs {
        all.push(
            "isolation is none: instances run as the platform's own user and see its files".into(),
        );
    }
    all.extend(runtime.notes.iter().cloned());
    for (workload, file) in &release.workloads {
        for (container, spec) in &file.score.containers {
            if spec.variables.contains_key("PORT") {
                all.push(format!(
                    "{workload}/{container} sets PORT: the platform gives every instance its own, and that one wins"
                ));
            }
            if spec.resources.as_ref().is_some_and(|r| r.requests.is_some()) {
                all.push(format!(
                    "{workload}/{container}: resources.requests are not reserved by this runtime"
                ));
            }
        }
    }
    all
}

/// What a workload of this kind can't be or needs to have, once everything that holds here is put together.
fn kind_refusals(score: &Workload, delivered: &Delivered, found: &mut Vec<Invalid>) {
    let (kind, means) = (delivered.kind.as_str(), meaning(delivered.kind));
    let mut refuse = |at: &str, what: String, expected: &str, hint: &str| {
        let invalid = Invalid::new(at, "plan/workload-kind", what, expected.to_string());
        found.push(invalid.hint(hint));
    };
    if delivered.kind == WorkloadKind::Cron && delivered.schedule.is_none() {
        refuse(
            "/metadata/name",
            format!("tow.yaml makes {} a cron here and says no schedule", score.metadata.name),
            "schedule: five fields, as in 0 3 * * *",
            "an override that makes it a cron says when it is due, too",
        );
    }
    if means.runs && score.containers.len() > 1 {
        refuse(
            "/containers",
            format!("a {kind} has one container, and this one has {}", score.containers.len()),
            "one container",
            "what must be done first can be the first step of its command",
        );
    }
    if !means.served {
        return;
    }
    for (name, container) in &score.containers {
        let at = format!("/containers/{}", escape(name));
        if container.image != "." {
            refuse(
                &format!("{at}/image"),
                format!(
                    "a {kind} workload serves the files of this folder, not image {:?}",
                    container.image
                ),
                "image: .",
                "kind: service runs an image that serves files itself",
            );
        }
        if container.command.as_ref().is_some_and(|command| !command.is_empty()) {
            refuse(
                &format!("{at}/command"),
                format!("a {kind} workload runs no command: the platform serves its files"),
                "no command",
                "kind: service runs a program of your own",
            );
        }
    }
}

/// What these make may be files and no program: that is known after the build.
const fn may_make_files(tool: Option<BuildTool>) -> bool {
    matches!(tool, Some(BuildTool::Static | BuildTool::None | BuildTool::Command | BuildTool::Node))
}

/// What keeps the folder's own build from being made or run here.
fn built_refusals(
    at: &str,
    asked: &Admitted<'_>,
    kind: WorkloadKind,
    serves: bool,
    found: &mut Vec<Invalid>,
) {
    let mut refuse = |code: &'static str, what: String, expected: &str, hint: &str| {
        let invalid = Invalid::new(format!("{at}/image"), code, what, expected.to_string());
        found.push(invalid.hint(hint));
    };
    let is_image = asked.tool == Some(BuildTool::Dockerfile);
    if is_image && meaning(kind).served {
        refuse(
            "plan/workload-kind",
            format!("a {} workload serves files, and a Dockerfile makes an image", kind.as_str()),
            "a folder whose build makes files",
            "kind: service runs an image that serves files itself; build.command in tow.yaml makes files",
        );
    }
    if is_image && !asked.facts.can(Can::Images) {
        refuse(
            "plan/no-container-runtime",
            format!(
                "a Dockerfile builds this folder into an image, which needs a runtime of containers; runtime {} of {} \
                 runs processes",
                asked.runtime.name, asked.place.environment
            ),
            "an environment whose Runtime is of type container",
            "or a build of a program: build.command in tow.yaml, or a tool that is detected without the Dockerfile",
        );
    } else if let (Some(tool), RuntimeType::Container) = (asked.tool, asked.runtime.spec.kind)
        && !is_image
        && !serves
        && !["default", tool.as_str()].iter().any(|key| asked.runtime.spec.bases.contains_key(*key))
    {
        let (runtime, tool) = (&asked.runtime.name, tool.as_str());
        refuse(
            "plan/no-base",
            format!(
                "runtime {runtime} names no base for {tool}: no image in which what it builds could run"
            ),
            &format!("bases.{tool} or bases.default in Runtime {runtime}"),
            &format!(
                "bases: {{{tool}: IMAGE}} in its Runtime; or a Dockerfile, whose image needs none"
            ),
        );
    } else if let Some(why) = asked.missing {
        refuse(
            "build/refused",
            why.to_string(),
            "what builds it",
            "tow doctor says what this machine has",
        );
    }
}

fn container_refusals(at: &str, spec: &Container, facts: &RuntimeFacts, found: &mut Vec<Invalid>) {
    if spec.image != "." && !facts.can(Can::Images) {
        found.push(
            Invalid::new(
                format!("{at}/image"),
                "plan/no-container-runtime",
                format!(
                    "image {:?} needs a runtime of containers; this environment's runs processes",
                    spec.image
                ),
                "image: . (this folder, built)",
            )
            .hint("an image is never replaced by a program of the machine"),
        );
    }
    let limits = spec.resources.as_ref().and_then(|r| r.limits.as_ref());
    for (key, said, kept) in [
        ("memory", limits.is_some_and(|l| l.memory.is_some()), Can::MemoryLimit),
        ("cpu", limits.is_some_and(|l| l.cpu.is_some()), Can::CpuLimit),
    ] {
        if said && !facts.can(kept) {
            found.push(Invalid::new(
                format!("{at}/resources/limits/{key}"),
                "plan/limits",
                format!("a limit of {key} can't be kept by this runtime"),
                "no such limit, or a runtime that keeps it",
            ));
        }
    }
    for target in spec.files.keys() {
        let pointer = format!("{at}/files/{}", escape(target));
        let absolute = target.starts_with('/') && !facts.can(Can::AbsoluteFiles);
        let outside = absolute || target.split('/').any(|part| part == "..");
        if outside {
            found.push(
                Invalid::new(
                    &pointer,
                    "plan/absolute-target",
                    format!("{target} is outside the instance's own folder"),
                    "a path relative to the working folder: no path of the host is ever written",
                )
                .hint(format!("write it as {}", target.trim_start_matches('/'))),
            );
        }
    }
    for (name, probe) in
        [("livenessProbe", &spec.liveness_probe), ("readinessProbe", &spec.readiness_probe)]
    {
        let https = probe.as_ref().and_then(|p| p.http_get.as_ref()).and_then(|g| g.scheme);
        if https == Some(Scheme::Https) {
            found.push(Invalid::new(
                format!("{at}/{name}/httpGet/scheme"),
                "plan/https-probe",
                "probes over HTTPS are not made by this runtime yet",
                "scheme: HTTP",
            ));
        }
    }
}

/// Probes are made from outside of what is probed: any other port would be somebody else's of this machine.
fn probe_refusals(at: &str, score: &Workload, spec: &Container, found: &mut Vec<Invalid>) {
    for (name, probe) in
        [("livenessProbe", &spec.liveness_probe), ("readinessProbe", &spec.readiness_probe)]
    {
        let get = probe.as_ref().and_then(|probe| probe.http_get.as_ref());
        let Some(get) = get.filter(|get| crate::spec::declared_port(score, get).is_none()) else {
            continue;
        };
        let ports: Vec<String> = score
            .service
            .iter()
            .flat_map(|service| &service.ports)
            .map(|(name, port)| format!("{} ({name})", port.target_port.unwrap_or(port.port)))
            .collect();
        let expected = match ports.is_empty() {
            true => "a port that service.ports declares".to_string(),
            false => format!("a port that service.ports declares: {}", ports.join(", ")),
        };
        let what = format!("port {} is not one of the workload's own", get.port);
        found.push(
            Invalid::new(format!("{at}/{name}/httpGet/port"), "plan/probe-port", what, expected)
                .hint("declare it in service.ports, or probe by exec inside"),
        );
    }
}

fn resource_refusals(score: &Workload, keys: &BTreeSet<String>, found: &mut Vec<Invalid>) {
    for (name, resource) in &score.resources {
        if !MADE.contains(&resource.kind.as_str()) {
            found.push(
                Invalid::new(
                    format!("/resources/{}/type", escape(name)),
                    "plan/no-recipe",
                    format!("no recipe makes a resource of type {}", resource.kind),
                    format!("one of {}", MADE.join(", ")),
                )
                .hint("the platform team declares how a type is made; nothing was provisioned"),
            );
        }
        if resource.kind == "route" {
            let declared = score.service.iter().flat_map(|s| s.ports.iter());
            let port = resource.params.as_ref().and_then(|p| p.get("port"));
            let known = port.is_none_or(|port| {
                let text = port.as_str().map_or_else(|| port.to_string(), str::to_string);
                declared.clone().any(|(name, p)| *name == text || p.port.to_string() == text)
            });
            if !known {
                found.push(Invalid::new(
                    format!("/resources/{}/params/port", escape(name)),
                    "plan/route-port",
                    "the route names a port that service.ports does not declare",
                    "the name or number of a declared port",
                ));
            }
            let path = resource.params.as_ref().and_then(|p| p.get("path"));
            if let Some(path) = path
                && !path.as_str().is_some_and(crate::routes::is_path)
            {
                found.push(Invalid::new(
                    format!("/resources/{}/params/path", escape(name)),
                    "plan/route-path",
                    format!("{path} is no path of a route"),
                    "a path from the root, as in / or /api, without dot segments",
                ));
            }
        }
    }
    for (container, spec) in &score.containers {
        let at = format!("/containers/{}", escape(container));
        for (key, text) in &spec.variables {
            unset_keys(score, keys, &format!("{at}/variables/{}", escape(key)), text, found);
        }
        for (target, file) in spec.files.iter().filter(|(_, f)| f.no_expand != Some(true)) {
            if let Some(text) = &file.content {
                unset_keys(
                    score,
                    keys,
                    &format!("{at}/files/{}/content", escape(target)),
                    text,
                    found,
                );
            }
        }
    }
}

/// Refuses `${resources.NAME.KEY}` of type `environment` where no such configuration is set.
fn unset_keys(
    score: &Workload,
    keys: &BTreeSet<String>,
    pointer: &str,
    text: &str,
    found: &mut Vec<Invalid>,
) {
    for part in placeholder::parse(text).unwrap_or_default() {
        let Part::Reference(path) = part else { continue };
        let [root, resource, key] = path.as_slice() else { continue };
        let is_environment = root == "resources"
            && score.resources.get(resource).is_some_and(|r| r.kind == "environment");
        if is_environment && !keys.contains(key) {
            found.push(
                Invalid::new(
                    pointer,
                    "plan/config-missing",
                    format!("{key} is not set here"),
                    "a name that configuration has",
                )
                .hint(format!(
                    "tow config set {key}=…; a component that is new is declared first: tow apply -f catalog-info.yaml"
                )),
            );
        }
    }
}

pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
