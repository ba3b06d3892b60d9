//! `POST /api/v1/webhooks/{webhook}/resume`.

use super::get::Path;
use super::list::WebhookView;
use crate::{Nothing, endpoint};

endpoint!(ResumeWebhook, "webhook.resume", Post "/api/v1/webhooks/{webhook}/resume", 200, Govern,
    path: Path, query: Nothing, body: Nothing, reply: WebhookView,
    "Goes on from the event at which it stopped.");
