//! `POST /api/v1/runs`.

use super::list::RunView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Duration;

/// What is to be run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component.
    pub component: String,
    /// The environment; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The workload; the component's own name, or the only one, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Program and arguments, with everything that the workload has: release, configuration, files, volumes, limits. Where
    /// nothing is said the workload's own, which must be of kind job or cron.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// How long an attempt may take; what `tow.yaml` says where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often it is tried again; what `tow.yaml` says where nothing is said, and never with a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

endpoint!(CreateRun, "run.create", Post "/api/v1/runs", 201, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: RunView,
    "Runs a job, or a command with everything that a workload has. It is carried through whoever goes away.");
