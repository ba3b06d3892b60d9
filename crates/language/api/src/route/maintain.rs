//! `POST /api/v1/routes/maintenance`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Duration;
use tow_record::Mode;

/// Which component, for how long, and who is served all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component.
    pub component: String,
    /// The environment; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// After how long clients are told to come again; ten minutes where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// Networks whose clients are served all the same: `10.0.0.0/8`, `2001:db8::/32`, or one address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// A sentence for the page.
    #[serde(default)]
    pub message: String,
}

/// What is done with a component's requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModeView {
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// What is done.
    pub mode: Mode,
    /// The gateway has said that it does so: it holds from here on. Where it has not within ten seconds, what was asked
    /// for is kept and is done as soon as the gateway takes it.
    #[serde(default)]
    pub confirmed: bool,
}

endpoint!(MaintainRoutes, "route.maintain", Post "/api/v1/routes/maintenance", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: ModeView,
    "Refuses a component's requests with 503 and a page, until it serves again. What runs goes on running. Answers once the \
     gateway does so.");
