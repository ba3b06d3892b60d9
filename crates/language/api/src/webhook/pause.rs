//! `POST /api/v1/webhooks/{webhook}/pause`.

use super::get::Path;
use super::list::WebhookView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// For whoever finds it paused.
    #[serde(default)]
    pub why: String,
}

endpoint!(PauseWebhook, "webhook.pause", Post "/api/v1/webhooks/{webhook}/pause", 200, Govern,
    path: Path, query: Nothing, body: Body, reply: WebhookView,
    "Stops carrying events; nothing is lost. One that is paused already stays so.");
