//! `POST /api/v1/webhooks`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// Where events are posted to: http or https, without a user or password in it. Addresses inside the network are
    /// refused unless the platform's operator allows them.
    pub url: String,
    /// Which events, by kind: `*`, `deployment.*`, `object.created`.
    pub events: Vec<String>,
    /// What it is for.
    #[serde(default)]
    pub note: String,
}

/// The webhook, and its secret this one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its id.
    pub id: String,
    /// The key that signs deliveries, `whsec_…`. Not shown again: a replay of the request answers without it.
    pub secret: Option<String>,
}

endpoint!(CreateWebhook, "webhook.create", Post "/api/v1/webhooks", 201, Govern,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Makes a webhook, which carries events from here on; its secret is shown this once.");
