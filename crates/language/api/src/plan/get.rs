//! `GET /api/v1/plans/{plan}`.

use super::create::PlanView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its id.
    pub plan: String,
}

endpoint!(GetPlan, "plan.get", Get "/api/v1/plans/{plan}", 200, ReadPrivate,
    path: Path, query: Nothing, body: Nothing, reply: PlanView,
    "A saved plan.");
