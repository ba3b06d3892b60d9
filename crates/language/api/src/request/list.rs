//! `GET /api/v1/requests`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::RequestLine;

/// Which. Without a component: of all whose logs may be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// With this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Only those that nobody answered, or with 500 and above, or whose answer broke off.
    #[serde(default)]
    pub failed: bool,
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Older than this place of the log, from an earlier answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Newer than this place of the log, from an earlier answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// In the order in which they ended. So much of the log is looked at for one answer: there may be more of them before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// The lines.
    pub items: Vec<RequestLine>,
    /// Where to go on towards older ones; none: nothing older is kept.
    pub before: Option<String>,
    /// Where to go on towards newer ones.
    pub after: String,
    /// When the oldest request ended that was looked at; none, where there was none.
    pub since: Option<Timestamp>,
    /// So many lines were left out of the log in between: they came faster than they could be written. Of whichever
    /// component they were.
    pub dropped: u64,
}

endpoint!(ListRequests, "request.list", Get "/api/v1/requests", 200, ReadPrivate,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Requests that ended, from the gateway's access log: who asked, who answered, of which release, how long it took.");
