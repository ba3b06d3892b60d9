//! `POST /api/v1/audit/erase`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be taken out of the log: these events, or all about a subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// By their place in the log; 500 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<i64>,
    /// All about this: a reference or a place; of a component its places too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Why: it stays in the log.
    pub reason: String,
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Events that have no body any more, of this request.
    pub erased: Vec<i64>,
    /// There is more about the subject: ask again.
    pub more: bool,
}

endpoint!(EraseEvents, "audit.erase", Post "/api/v1/audit/erase", 200, Erase,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Takes bodies of events out of the log for good. Their digests stay, so the log still proves; an event tells of it.");
