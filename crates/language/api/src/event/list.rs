//! `GET /api/v1/events`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Only with a larger `seq`; where nothing is said, the last `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only about this: a reference or a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Events, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`.
    pub items: Vec<tow_record::Event>,
    /// The `after` of the next call.
    pub next: i64,
}

endpoint!(ListEvents, "event.list", Get "/api/v1/events", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "What happened, the oldest first, from a cursor on.");
