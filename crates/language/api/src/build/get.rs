//! `GET /api/v1/builds/{build}`.

use crate::artifact::list::ArtifactView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::Found;

/// Which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its id.
    pub build: String,
}

/// Wait for news?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Answer once its version is above this one, or after a few seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

/// A build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BuildView {
    /// Its id; its log is found by it.
    pub id: String,
    /// The component.
    pub component: String,
    /// The environment whose configuration its secrets come from.
    pub environment: String,
    /// What builds it, and why.
    pub found: Option<Found>,
    /// It ended, well or not.
    pub finished: bool,
    /// What it made.
    pub artifact: Option<ArtifactView>,
    /// Why it made nothing.
    pub failure: Option<String>,
    /// Grows with each change.
    pub version: i64,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who asked.
    pub created_by: String,
}

endpoint!(GetBuild, "build.get", Get "/api/v1/builds/{build}", 200, ReadPrivate,
    path: Path, query: Query, body: Nothing, reply: BuildView,
    "How a build goes, and what it made.");
