//! `Delivery`: what Score can't say about building and running a component. Lives beside the Score files as
//! `tow.yaml` and becomes part of the release.

use super::environment::Tier;
use super::routes::{self, RouteRules};
use super::scale::{self, Scaling};
use super::static_files::{self, Site};
use super::strategy;
pub use super::strategy::{Canary, CanaryStep, Rolling, Strategy};
use super::workload::NAME_PATTERN;
use crate::Invalid;
use crate::declared::{Declared, KindFacts, Ownership, Reference};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Duration, Name, Schedule, ScheduleError};

/// How a component is built and run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliverySpec {
    /// The component; the object's own name where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// How `image: .` becomes an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// By the Score file's `metadata.name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = { "minLength": 2, "maxLength": 63, "pattern": NAME_PATTERN }))]
    pub workloads: BTreeMap<String, WorkloadDelivery>,
    /// What is different where; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// How a folder becomes an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    /// The folder to build, below the one that holds `tow.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Run by `sh -c` in that folder instead of the detected tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<String>,
    /// The folder that is kept, below `dir`; with `command`, the whole folder where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The Dockerfile that builds an image, below `dir`, whatever else is there. Where nothing is said, `Dockerfile` or
    /// `Containerfile` is taken where no tool is detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub dockerfile: Option<String>,
    /// How long it may take; 20 minutes where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What counts beside `dir`, as files and folders below the one that holds `tow.yaml`: a change elsewhere builds
    /// nothing, and nothing else is there when it builds. Everything counts where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<String>,
    /// May it reach the network? `on` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<BuildNetwork>,
    /// Names in the component's configuration that the build sees, as variables and as files in `TOW_SECRETS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The most it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<BuildLimits>,
}

/// May a build reach the network?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    /// It may.
    On,
    /// It sees nothing but itself.
    Off,
}

/// The most a build may use, all its processes together. Nothing said: the platform's own limits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildLimits {
    /// Memory, as in `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Processors, as in `1.5` or `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Disk, as in `4Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 100_000))]
    pub processes: Option<u64>,
}

/// The broken rules of `build`: folders stay below the one that holds `tow.yaml`, quantities are some, names can be set.
fn check_build(build: &serde_json::Value, out: &mut Vec<Invalid>) {
    check_times("/spec/build", build, &["/timeout"], out);
    let mut below = |at: String, path: &str| {
        if !stays_below(path) {
            out.push(Invalid::new(
                at,
                "delivery/path",
                format!("{path:?} leads out of the folder"),
                "a path below the folder that holds tow.yaml, with no .. and no leading /",
            ));
        }
    };
    for key in ["dir", "output", "dockerfile"] {
        if let Some(path) = build[key].as_str() {
            below(format!("/spec/build/{key}"), path);
        }
    }
    for (index, path) in build["watch"].as_array().into_iter().flatten().enumerate() {
        if let Some(path) = path.as_str() {
            below(format!("/spec/build/watch/{index}"), path);
        }
    }
    for (index, name) in build["secrets"].as_array().into_iter().flatten().enumerate() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(name) = name.as_str()
            && (name.is_empty()
                || !name.chars().all(word)
                || name.starts_with(|c: char| c.is_ascii_digit())
                || name.starts_with("TOW_"))
        {
            out.push(Invalid::new(
                format!("/spec/build/secrets/{index}"),
                "delivery/secret",
                format!("{name:?} can't be the name of a variable"),
                "a name as tow config set takes it: letters, digits and _, not beginning with a digit or TOW_",
            ));
        }
    }
    let limits = &build["limits"];
    let mut quantity = |key: &str, broken: Option<tow_names::QuantityError>| {
        if let Some(error) = broken {
            out.push(Invalid::new(
                format!("/spec/build/limits/{key}"),
                "delivery/quantity",
                error.to_string(),
                error.expected,
            ));
        }
    };
    for key in ["memory", "disk"] {
        let said = limits[key].as_str();
        quantity(key, said.and_then(|said| said.parse::<tow_names::Memory>().err()));
    }
    quantity("cpu", limits["cpu"].as_str().and_then(|said| said.parse::<tow_names::Cpu>().err()));
}

/// What a workload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    /// Answers requests.
    Service,
    /// Works on its own; never routed.
    Worker,
    /// Files, served by the platform.
    Static,
    /// Runs on a schedule.
    Cron,
    /// Runs once, when somebody asks.
    Job,
}

impl WorkloadKind {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Worker => "worker",
            Self::Static => "static",
            Self::Cron => "cron",
            Self::Job => "job",
        }
    }
}

/// What is done with a firing while an earlier run of the workload is unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Concurrency {
    /// It is not run, and reported as missed.
    #[default]
    Forbid,
    /// It is run after the earlier one.
    Queue,
    /// The earlier one is cancelled, then it is run.
    Replace,
}

/// How one workload is run. What is left out follows from the environment's tier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadDelivery {
    /// What it is for; `service` where it has a port, else `worker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<WorkloadKind>,
    /// How many run; 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<u32>,
    /// How many run, by their load; instead of `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// What must hold before traffic is switched to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// How it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// How the files of a `static` workload are served.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// What its programs may do, beyond what holds for all of them. Only where they are containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confine: Option<Confine>,
    /// How a new release takes over; `blue-green` where nothing is said and nothing else is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// With `strategy: canary`: on how many clients it is tried, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// With `strategy: rolling`: how many are replaced at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<Rolling>,
    /// What its routes do with requests beside handing them on: by the name of a resource of type `route`, or of a port.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, RouteRules>,
    /// With `cron`: when it is due, as five fields: minute, hour, day of the month, month, weekday; or `@daily` and the
    /// like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub schedule: Option<String>,
    /// The time zone of the schedule, as in `Europe/Berlin`; `UTC` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub timezone: Option<String>,
    /// What is done with a firing while an earlier run is unfinished; `forbid` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How late a firing may still be run, after the platform was down; one hour where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_deadline: Option<Duration>,
    /// How long one attempt of a run may take; one hour where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often a run is tried again after it did not end well; not at all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20))]
    pub retries: Option<u32>,
    /// How many ended runs are kept, with their logs; 10 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub history: Option<u32>,
    /// Program and arguments, run once per deployment before anything of the release starts; if it does not end well,
    /// the release is not deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub release: Option<Vec<String>>,
    /// Program and arguments, run once per deployment after the release took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub post_deploy: Option<Vec<String>>,
}

/// What the programs of a workload may do. What is not said stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Confine {
    /// As whom they run, instead of the user that their image names: a name or number, and a group after a colon, as in
    /// `65532:65532`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = USER_PATTERN))]
    pub user: Option<String>,
    /// Nothing can be written but volumes, `/tmp` and `/run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// A user and perhaps a group, by name or number.
const USER_PATTERN: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$";

/// What gates a switch, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Health {
    /// Time between two probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// How long one probe may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Successes in a row before it counts as ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub successes: Option<u32>,
    /// How long it must have been ready before the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_healthy_time: Option<Duration>,
    /// How long it may take to become ready before the rollout fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
}

/// How a workload is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    /// From SIGTERM to SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// How long requests in flight may take after the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Duration>,
    /// Program and arguments, run beside the program before SIGTERM, no longer than `grace`. Nothing is routed to it by
    /// then. Of several containers: in `main`, else in the one that is built, else in the last one to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub before: Option<Vec<String>>,
}

/// What is different in some environments. At least one of `tier`, `stage`, `environment` is said; all that are said
/// must match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Where the environment is of this tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Where the environment is of this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Name>,
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Name>,
    /// By the Score file's `metadata.name`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "minLength": 2, "maxLength": 63, "pattern": NAME_PATTERN }))]
    pub workloads: BTreeMap<String, WorkloadDelivery>,
}

impl Declared for DeliverySpec {
    const FACTS: KindFacts = KindFacts {
        plural: "deliveries",
        short: &[],
        versions: &[API_VERSION],
        namespaced: true,
        ownership: Ownership::Component,
        references: &[Reference { field: "component", kind: Some("component"), relation: None }],
    };

    fn check(spec: &serde_json::Value, out: &mut Vec<Invalid>) {
        check(spec, out);
    }
}

/// The broken rules of a `Delivery` document: folders stay below the one that holds `tow.yaml`, an override says where
/// it holds and for which workloads.
fn check(spec: &serde_json::Value, out: &mut Vec<Invalid>) {
    check_build(&spec["build"], out);
    for (name, said) in spec["workloads"].as_object().into_iter().flatten() {
        static_files::check(&said["static"], &format!("/spec/workloads/{name}/static"), out);
    }
    for (name, workload) in spec["workloads"].as_object().into_iter().flatten() {
        check_workload(&format!("/spec/workloads/{}", escape(name)), workload, true, out);
    }
    for (index, entry) in spec["overrides"].as_array().into_iter().flatten().enumerate() {
        for (name, workload) in entry["workloads"].as_object().into_iter().flatten() {
            let at = format!("/spec/overrides/{index}/workloads/{}", escape(name));
            check_workload(&at, workload, false, out);
        }
    }
    for (index, entry) in spec["overrides"].as_array().into_iter().flatten().enumerate() {
        for (name, said) in entry["workloads"].as_object().into_iter().flatten() {
            let at = format!("/spec/overrides/{index}/workloads/{name}/static");
            static_files::check(&said["static"], &at, out);
        }
    }
    for (index, entry) in spec["overrides"].as_array().into_iter().flatten().enumerate() {
        if entry.is_object()
            && ["tier", "stage", "environment"].iter().all(|key| entry.get(key).is_none())
        {
            out.push(Invalid::new(
                format!("/spec/overrides/{index}"),
                "delivery/override-nowhere",
                "the override doesn't say where it holds",
                "at least one of tier, stage, environment",
            ));
        }
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Times in which something is to be done: none is left by 0, and nothing would ever go well.
fn check_times(at: &str, said: &serde_json::Value, pointers: &[&str], out: &mut Vec<Invalid>) {
    for pointer in pointers {
        let time = said.pointer(pointer).and_then(serde_json::Value::as_str);
        if let Some(time) = time.and_then(|text| text.parse::<Duration>().ok())
            && time < Duration::from_millis(1)
        {
            out.push(
                Invalid::new(
                    format!("{at}{pointer}"),
                    "delivery/time",
                    format!("{time} is over at once"),
                    "1ms or more",
                )
                .hint("where it is left out, the time that is usual holds"),
            );
        }
    }
}

/// What is said of a workload's runs. `whole`: all that holds for it everywhere, so that what must be there is.
fn check_workload(at: &str, said: &serde_json::Value, whole: bool, out: &mut Vec<Invalid>) {
    let kind = said["kind"].as_str();
    let schedule = said["schedule"].as_str();
    let zone = said["timezone"].as_str();
    if let Some(text) = schedule {
        match Schedule::parse(text, "UTC") {
            Err(ScheduleError::Never(_)) => out.push(
                Invalid::new(
                    format!("{at}/schedule"),
                    "delivery/schedule",
                    format!("{text:?} never comes: no date meets it"),
                    "a schedule that is due some time",
                )
                .hint("days of the month that the month does not have never come"),
            ),
            Err(error) => out.push(
                Invalid::new(
                    format!("{at}/schedule"),
                    "delivery/schedule",
                    error.to_string(),
                    "five fields, minute, hour, day of the month, month, weekday, or @hourly, @daily, @weekly, @monthly",
                )
                .hint("30 3 * * 1-5 is at 03:30 on working days"),
            ),
            Ok(_) => {}
        }
    }
    if let Some(zone) = zone
        && let Err(error) = Schedule::check_zone(zone)
    {
        out.push(
            Invalid::new(
                format!("{at}/timezone"),
                "delivery/timezone",
                error.to_string(),
                "a name of the time zone database, as in Europe/Berlin or UTC",
            )
            .hint("a region and a city; an offset such as +02:00 would not know of summer time"),
        );
    }
    check_times(
        at,
        said,
        &["/timeout", "/health/timeout", "/health/interval", "/health/deadline"],
        out,
    );
    scale::check(at, said, whole, out);
    strategy::check(at, said, whole, out);
    routes::check(at, said, out);
    if !whole {
        return;
    }
    match (kind, schedule) {
        (Some("cron"), None) => out.push(Invalid::new(
            format!("{at}/kind"),
            "delivery/schedule",
            "a workload of kind cron has no schedule",
            "schedule: five fields, as in 0 3 * * *",
        )),
        (Some("cron"), Some(_)) | (_, None) => {}
        (kind, Some(_)) => out.push(Invalid::new(
            format!("{at}/schedule"),
            "delivery/schedule",
            format!(
                "{} has no schedule",
                kind.map_or("this workload".into(), |k| format!("a {k}"))
            ),
            "kind: cron",
        )),
    }
    let runs = matches!(kind, Some("cron" | "job"));
    let only = |keys: &[&str], of: &str, out: &mut Vec<Invalid>| {
        for key in keys.iter().filter(|key| said.get(**key).is_some()) {
            out.push(Invalid::new(
                format!("{at}/{key}"),
                "delivery/kind",
                format!("{key} says nothing here"),
                format!("{key} with {of}"),
            ));
        }
    };
    if kind != Some("cron") {
        only(&["timezone", "concurrency", "startingDeadline"], "kind: cron", out);
    }
    if runs {
        only(
            &["replicas", "health", "strategy", "canary", "rolling"],
            "kind: service, worker or static",
            out,
        );
    }
}

fn stays_below(path: &str) -> bool {
    use std::path::{Component, Path};
    !path.is_empty()
        && !path.contains('\0')
        && Path::new(path)
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}
