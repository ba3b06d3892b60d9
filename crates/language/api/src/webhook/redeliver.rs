//! `POST /api/v1/webhooks/{webhook}/deliveries/{seq}/redeliver`.

use super::deliveries::DeliveryView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// The webhook's id.
    pub webhook: String,
    /// The event, by its place in the log.
    pub seq: i64,
}

endpoint!(Redeliver, "webhook.redeliver", Post "/api/v1/webhooks/{webhook}/deliveries/{seq}/redeliver", 202, Govern,
    path: Path, query: Nothing, body: Nothing, reply: DeliveryView,
    "Carries an event once more, under the id it had; out of order, and holding up nothing.");
