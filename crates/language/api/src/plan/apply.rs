//! `POST /api/v1/plans/{plan}/apply`: exactly that plan, or a refusal that names what moved.

use super::get::Path;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What it became.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Where to follow it; none where the plan had nothing to do.
    pub operation: Option<String>,
    /// The plan.
    pub plan: String,
}

endpoint!(ApplyPlan, "plan.apply", Post "/api/v1/plans/{plan}/apply", 202, Deploy,
    path: Path, query: Nothing, body: Nothing, reply: Reply,
    "Carries out a saved plan, or refuses and names what moved since it was made.");
