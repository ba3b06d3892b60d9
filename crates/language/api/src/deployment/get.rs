//! `GET /api/v1/deployments/{component}/{environment}/{number}`: one of them, whole.

use super::list::DeploymentView;
use crate::operation::get::OperationView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::Timestamp;

/// Which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// Its number there.
    pub number: i64,
}

/// All there is to say of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WholeDeployment {
    /// As lists have it.
    #[serde(flatten)]
    pub deployment: DeploymentView,
    /// How many of each workload.
    pub replicas: BTreeMap<String, u32>,
    /// When it took over, or failed.
    pub ended_at: Option<Timestamp>,
    /// How it was carried out: its steps, why it failed, and the last lines that its failed instances said, for whoever
    /// may read their log. None: that is not kept any more.
    pub operation: Option<OperationView>,
}

endpoint!(GetDeployment, "deployment.get",
    Get "/api/v1/deployments/{component}/{environment}/{number}", 200, Read,
    path: Path, query: Nothing, body: Nothing, reply: WholeDeployment,
    "One deployment: its steps, why it failed, and the last lines of the instances that did.");
