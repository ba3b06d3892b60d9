//! `GET /api/v1/runs`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::{Exit, RunKind, RunState};

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Of this workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// For this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RunKind>,
    /// So far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// The Score file's `metadata.name`.
    pub workload: String,
    /// What it is for.
    pub kind: RunKind,
    /// How far it is.
    pub state: RunState,
    /// It ended.
    pub finished: bool,
    /// Grows with each change.
    pub version: i64,
    /// Why it is there.
    pub cause: String,
    /// Program and arguments, where they are not the workload's own; only for those who may read what is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Its release.
    pub release: i64,
    /// Its deployment.
    pub deployment: i64,
    /// The attempt that is under way or was the last; 0 before the first.
    pub attempt: u32,
    /// So many more attempts after one that did not end well.
    pub retries: u32,
    /// How the last attempt ended.
    pub exit: Option<Exit>,
    /// Why it is as it is; empty where there is nothing to say.
    pub note: String,
    /// The instance of the attempt.
    pub instance: Option<String>,
    /// When it was due.
    pub scheduled_at: Option<Timestamp>,
    /// Who wanted it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`.
    pub items: Vec<RunView>,
}

endpoint!(ListRuns, "run.list", Get "/api/v1/runs", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Runs, the newest first.");
