//! `GET /api/v1/status`: a line a workload.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_record::{Mode, State};

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// Ready and wanted replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "their names say it")]
pub struct Replicas {
    pub ready: u32,
    pub wanted: u32,
}

/// One workload somewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// The component.
    pub component: String,
    /// The Score file's `metadata.name`.
    pub workload: String,
    /// The environment.
    pub environment: String,
    /// The release that serves, or is wanted.
    pub release: Option<i64>,
    /// How it is.
    pub state: State,
    /// What is done with its requests besides handing them on: one that is live may hold or refuse them.
    #[serde(default)]
    pub mode: Mode,
    /// Why it is not live, or what a change that is under way does just now.
    pub reason: String,
    /// The name URL.
    pub url: Option<String>,
    /// The port URL: for clients that don't resolve `*.localhost`.
    pub port_url: Option<String>,
    /// How many.
    pub instances: Replicas,
}

/// By component, environment and workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All of them.
    pub items: Vec<StatusView>,
}

endpoint!(GetStatus, "status.get", Get "/api/v1/status", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "What runs, a line a workload.");
