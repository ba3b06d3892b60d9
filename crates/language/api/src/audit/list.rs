//! `GET /api/v1/audit/events`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Which end first.
    #[serde(default)]
    pub order: Order,
    /// The `next` of the answer before: only what comes after it in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only what this actor did, as a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only of this kind, or of all kinds that begin so, as in `deployment.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only about this: a reference or a place; of a component its places too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Not before this: a time (`2026-11-22T08:00:00Z`), a day (`2026-11-22`, in UTC), or so long ago (`24h`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before this, in the same words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only with this in actor, kind, subject or body, whatever the case of its letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Events in the order asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`; may be none although there are more, because a bounded piece of the log is looked at.
    pub items: Vec<tow_record::Event>,
    /// The `from` of the next call; none where the log is at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

endpoint!(ListAudit, "audit.list", Get "/api/v1/audit/events", 200, Audit,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "All that happened, by what is in it. Whoever goes on from `next` until there is none has seen the whole log.");
