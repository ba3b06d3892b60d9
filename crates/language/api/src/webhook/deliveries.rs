//! `GET /api/v1/webhooks/{webhook}/deliveries`.

use super::get::Path;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::{Attempt, DeliveryState};

/// Which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryView {
    /// The event, by its place in the log.
    pub seq: i64,
    /// Its kind.
    pub kind: String,
    /// The header `webhook-id`, by which receivers tell repeats.
    pub message: String,
    /// How it stands.
    pub state: DeliveryState,
    /// Asked for again by a person.
    pub again: bool,
    /// How often it was posted.
    pub tries: u32,
    /// The last attempts, the oldest first.
    pub attempts: Vec<Attempt>,
    /// When it is tried next.
    pub next_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
}

/// The latest event first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`; the last thousand are kept.
    pub items: Vec<DeliveryView>,
}

endpoint!(ListDeliveries, "webhook.deliveries", Get "/api/v1/webhooks/{webhook}/deliveries", 200, Govern,
    path: Path, query: Query, body: Nothing, reply: Reply,
    "What became of the events a webhook carried or is to carry, the latest first.");
