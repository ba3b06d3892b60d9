//! `GET /api/v1/webhooks`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::Paused;

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookView {
    /// Its id.
    pub id: String,
    /// Where events are posted to.
    pub url: String,
    /// Which events.
    pub events: Vec<String>,
    /// What it is for.
    pub note: String,
    /// Who made it; it carries what they may see.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Only events after this one are carried.
    pub since: i64,
    /// Every event up to this one is dealt with. Less than the last event of the log where nothing later was meant for
    /// it.
    pub reached: i64,
    /// How many were delivered.
    pub delivered: i64,
    /// Why nothing is carried; none where it is.
    pub paused: Option<Paused>,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All of them.
    pub items: Vec<WebhookView>,
}

endpoint!(ListWebhooks, "webhook.list", Get "/api/v1/webhooks", 200, Govern,
    path: Nothing, query: Nothing, body: Nothing, reply: Reply,
    "All webhooks, without their secrets.");
