//! `GET /api/v1/deployments`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentView {
    /// Its number, within component and environment.
    pub number: i64,
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// The release.
    pub release: i64,
    /// The configuration's version.
    pub config: i64,
    /// How it is.
    pub state: tow_record::State,
    /// Why it was made.
    pub reason: tow_record::Reason,
    /// Why it failed; empty where it did not.
    pub message: String,
    /// When.
    pub created_at: tow_names::Timestamp,
    /// Who.
    pub created_by: String,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`.
    pub items: Vec<DeploymentView>,
}

endpoint!(ListDeployments, "deployment.list", Get "/api/v1/deployments", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Deployments, the newest first.");
