//! `POST /api/v1/routes/pause`.

use super::maintain::ModeView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Duration;

/// Which component, and for how long a request is held at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component.
    pub component: String,
    /// The environment; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How long one request is held at most; half a minute where nothing is said, five minutes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Duration>,
}

endpoint!(PauseRoutes, "route.pause", Post "/api/v1/routes/pause", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: ModeView,
    "Holds a component's requests until it serves again: for a short change that nobody is to notice. Answers once the \
     gateway does so.");
