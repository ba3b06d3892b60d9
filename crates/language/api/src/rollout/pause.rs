//! `POST /api/v1/rollouts/pause`.

use super::list::RolloutView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component.
    pub component: String,
    /// The environment; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

endpoint!(PauseRollout, "rollout.pause", Post "/api/v1/rollouts/pause", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: RolloutView,
    "Lets a rollout go no further than it is: no next step of a canary, no switch, no end of the bake. It goes back all the same where it does worse than what was before.");
