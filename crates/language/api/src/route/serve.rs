//! `POST /api/v1/routes/serve`.

use super::maintain::ModeView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Maintenance.
    Maintenance,
    /// A pause.
    Pause,
}

/// Which component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component.
    pub component: String,
    /// The environment; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What is to end; the other one goes on.
    pub ends: Ending,
}

endpoint!(ServeRoutes, "route.serve", Post "/api/v1/routes/serve", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: ModeView,
    "Hands a component's requests on again. What was held is answered now. Answers once the gateway does so.");
