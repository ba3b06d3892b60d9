//! `POST /api/v1/webhooks/{webhook}/test`.

use super::get::Path;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Duration;

/// What the receiver did with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// It was taken: answered with a status of 2xx.
    pub taken: bool,
    /// The HTTP status; none where nobody answered.
    pub status: Option<u16>,
    /// The beginning of the answer, or why there is none.
    pub message: String,
    /// How long it took.
    pub took: Duration,
}

endpoint!(TestWebhook, "webhook.test", Post "/api/v1/webhooks/{webhook}/test", 200, Govern,
    path: Path, query: Nothing, body: Nothing, reply: Reply,
    "Posts a signed event of type `dev.towpath.webhook.ping` now, and says what came of it. It is in no log, and is not repeated.");
