//! `DELETE /api/v1/webhooks/{webhook}`.

use super::get::Path;
use crate::{Nothing, endpoint};

endpoint!(DeleteWebhook, "webhook.delete", Delete "/api/v1/webhooks/{webhook}", 200, Govern,
    path: Path, query: Nothing, body: Nothing, reply: Nothing,
    "Takes a webhook away, and the log of its deliveries.");
