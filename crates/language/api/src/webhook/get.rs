//! `GET /api/v1/webhooks/{webhook}`.

use super::list::WebhookView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its id.
    pub webhook: String,
}

endpoint!(GetWebhook, "webhook.get", Get "/api/v1/webhooks/{webhook}", 200, Govern,
    path: Path, query: Nothing, body: Nothing, reply: WebhookView,
    "One webhook, without its secret.");
