//! `GET /api/v1/builds`.

use super::get::BuildView;
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

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`.
    pub items: Vec<BuildView>,
}

endpoint!(ListBuilds, "build.list", Get "/api/v1/builds", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Builds, the newest first: those that deployments wait for, and those that somebody asked for alone.");
