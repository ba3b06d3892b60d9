//! `GET /api/v1/instances`.

use crate::status::get::Query;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_record::{Isolation, Phase, State, Usage};

/// One container of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceView {
    /// Its id.
    pub instance: String,
    /// The component.
    pub component: String,
    /// The Score file's `metadata.name`.
    pub workload: String,
    /// The container.
    pub container: String,
    /// Which replica, from 0.
    pub replica: u32,
    /// The environment.
    pub environment: String,
    /// Its release.
    pub release: i64,
    /// Its deployment.
    pub deployment: i64,
    /// The process.
    pub pid: Option<u32>,
    /// How it is, in the product's words.
    pub state: State,
    /// Where its process is in its life.
    pub phase: Phase,
    /// How often it was started again.
    pub restarts: u32,
    /// How far it is kept from the others.
    pub isolation: Isolation,
    /// What it takes of the machine; known only where its workload scales by it.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// By the port's name.
    pub ports: std::collections::BTreeMap<String, u16>,
    /// Why it is as it is.
    pub message: String,
}

/// By component, environment, workload, replica and container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All of them.
    pub items: Vec<InstanceView>,
}

endpoint!(ListInstances, "instance.list", Get "/api/v1/instances", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Instances, a line a container.");
