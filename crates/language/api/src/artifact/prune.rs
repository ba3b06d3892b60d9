//! `POST /api/v1/artifacts/prune`.

use super::list::ArtifactView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// Only of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// What so many releases of each component run stays; 10 where nothing is said. What is deployed anywhere always stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep: Option<u32>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Artifacts that went, or would.
    pub removed: Vec<ArtifactView>,
    /// How many stay.
    pub kept: u64,
    /// Bytes that are free once nothing refers to them, or would be.
    pub freed: u64,
}

endpoint!(PruneArtifacts, "artifact.prune", Post "/api/v1/artifacts/prune", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Takes artifacts away that nothing needs: not deployed anywhere, and not among the last releases.");
