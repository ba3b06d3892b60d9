//! `GET /api/v1/platform`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What answers here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlatformView {
    /// `tow`'s version.
    pub version: String,
    /// Which platform this is; the source of its events in CloudEvents.
    #[serde(default)]
    pub source: String,
    /// Changes with each start.
    pub boot: String,
    /// The gateway's address, `127.0.0.1:7080`.
    pub gateway: String,
    /// Since when.
    pub started_at: tow_names::Timestamp,
}

endpoint!(GetPlatform, "platform.get", Get "/api/v1/platform", 200, Read,
    path: Nothing, query: Nothing, body: Nothing, reply: PlatformView,
    "What answers here: version and gateway.");
