//! `GET /api/v1/operations/{operation}`, with a long poll.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::{Failure, State, StepState};

/// Which operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its id.
    pub operation: String,
}

/// Wait for news.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Answer only once `version` is larger than this, or after 5 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepView {
    /// What it does.
    pub title: String,
    /// How far it is.
    pub state: StepState,
}

/// How an operation stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationView {
    /// Its id.
    pub id: String,
    /// The component's reference.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// The plan; none for the platform's own repairs.
    pub plan: Option<String>,
    /// Why.
    pub reason: tow_record::Reason,
    /// `waiting`, `rolling`, then `live`, `stopped` or `failed`.
    pub state: State,
    /// It ended.
    pub finished: bool,
    /// Grows with each change.
    pub version: i64,
    /// The release, once numbered.
    pub release: Option<i64>,
    /// The deployment, once numbered.
    pub deployment: Option<i64>,
    /// Where it can be reached, once live: the name URL first.
    pub urls: Vec<String>,
    /// What was done so far.
    pub steps: Vec<StepView>,
    /// What did not go well though it is live, such as its post-deploy command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Failure>,
    /// What it waits for.
    pub waiting: Option<String>,
    /// The build whose log tells how it goes, while there is one.
    pub build: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The deployment that serves again since it went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<i64>,
    /// The operation that deploys again what was before it, where nothing of that was left to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

endpoint!(GetOperation, "operation.get", Get "/api/v1/operations/{operation}", 200, Read,
    path: Path, query: Query, body: Nothing, reply: OperationView,
    "How an operation stands; with `after`, waits for the next change.");
