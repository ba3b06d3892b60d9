//! `Delivery`: what Score can't say about building and running a component. Lives beside the Score files as
//! `tow.yaml` and becomes part of the release.

use super::environment::Tier;
use super::workload::NAME_PATTERN;
use crate::Invalid;
use crate::declared::{Declared, KindFacts, Ownership, Reference};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Duration, Name};

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
    /// How long it may take; 20 minutes where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
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
    /// Runs once.
    Job,
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
    /// What must hold before traffic is switched to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// How it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

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
    for key in ["dir", "output"] {
        if let Some(path) = spec["build"][key].as_str()
            && !stays_below(path)
        {
            out.push(Invalid::new(
                format!("/spec/build/{key}"),
                "delivery/path",
                format!("{path:?} leads out of the folder"),
                "a path below the folder that holds tow.yaml, with no .. and no leading /",
            ));
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

fn stays_below(path: &str) -> bool {
    use std::path::{Component, Path};
    !path.is_empty()
        && !path.contains('\0')
        && Path::new(path)
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}
