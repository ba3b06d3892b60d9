//! `GET /api/v1/rollouts`: what is under way, a line a place.

use crate::status::get::Query;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Duration, Timestamp};
use tow_record::{Failure, Held, Reason, Stage};

/// What a window counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// Requests that were answered, or were to be.
    pub requests: u64,
    /// Of these, the ones answered 500 and above, or not at all.
    pub errors: u64,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutView {
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// The operation that carries it out.
    pub operation: String,
    /// Why.
    pub reason: Reason,
    /// The deployment, once numbered.
    pub deployment: Option<i64>,
    /// Its release.
    pub release: Option<i64>,
    /// What it would go back to, once something of it serves.
    pub before: Option<i64>,
    /// How far it is.
    pub stage: Stage,
    /// Since when.
    pub since: Option<Timestamp>,
    /// In words.
    pub doing: String,
    /// Of a hundred clients it has so many, while it is tried.
    pub weight: Option<u32>,
    /// What it answered in the last window.
    pub new: Counted,
    /// What those of before answered: in the same window where they serve beside it, else all that they did until it
    /// began to serve.
    pub old: Counted,
    /// Over how much time `new` is counted; none: it was not looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// They serve beside it, and `old` is of the same window.
    #[serde(default)]
    pub beside: bool,
    /// So many requests a window are needed to judge it by; none: it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<u64>,
    /// Somebody paused it.
    pub paused: Option<Held>,
    /// Somebody broke it off.
    pub aborted_by: Option<String>,
    /// Why it goes back.
    pub failure: Option<Failure>,
    /// When it began.
    pub started_at: Timestamp,
}

/// By component and environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All of them.
    pub items: Vec<RolloutView>,
}

endpoint!(ListRollouts, "rollout.list", Get "/api/v1/rollouts", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "What is being rolled out, and how far each is.");
