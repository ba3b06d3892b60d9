//! `GET /api/v1/runs/{run}`, with a long poll.

use super::list::RunView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its id.
    pub run: String,
}

/// Wait for news.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Answer only once `version` is larger than this, or after 5 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

endpoint!(GetRun, "run.get", Get "/api/v1/runs/{run}", 200, Read,
    path: Path, query: Query, body: Nothing, reply: RunView,
    "How a run stands; with `after`, waits for the next change.");
