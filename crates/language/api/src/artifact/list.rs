//! `GET /api/v1/artifacts`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::BuildTool;

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Only of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactView {
    /// What it is found by: made of everything that goes into a build.
    pub key: String,
    /// Of its archive.
    pub digest: String,
    /// Bytes of its archive.
    pub size: u64,
    /// What built it.
    pub tool: BuildTool,
    /// The tool's version; empty where nothing was run.
    pub toolchain: String,
    /// What it runs on.
    pub platform: String,
    /// Of whose source it was made.
    pub component: Option<String>,
    /// How it is started where a container gives no command.
    pub entry: Vec<String>,
    /// Files that the platform serves itself.
    pub is_static: bool,
    /// The source it was first made of.
    pub source: Option<String>,
    /// The build that made it.
    pub build: String,
    /// When.
    pub created_at: Timestamp,
    /// Releases that run it, as in `web/3`, the newest first.
    pub releases: Vec<String>,
    /// Where it is deployed now, as in `web in production`.
    pub deployed: Vec<String>,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`.
    pub items: Vec<ArtifactView>,
}

endpoint!(ListArtifacts, "artifact.list", Get "/api/v1/artifacts", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "What builds made, and who uses it; the newest first.");
