//! `POST /api/v1/crons/pause`.

use super::list::CronView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which schedule, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component.
    pub component: String,
    /// The environment; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The workload; the only one with a schedule where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// For whoever finds it paused.
    #[serde(default)]
    pub why: String,
}

endpoint!(PauseCron, "cron.pause", Post "/api/v1/crons/pause", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: CronView,
    "Fires nothing of a schedule for now; what runs goes on. One that is paused already stays so.");
