//! `GET /api/v1/access/why`.

use crate::{Action, Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who, what, to what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Who: a user or service account, as in `ann` or `serviceaccount:ci`; oneself where nothing is said.
    #[serde(default)]
    pub actor: Option<String>,
    /// What they want to do.
    pub action: Action,
    /// To what: an object's reference, a component where no kind is said; `platform` for the platform itself.
    pub object: String,
}

/// The answer, with its trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Who.
    pub actor: String,
    /// What.
    pub action: Action,
    /// To what.
    pub object: String,
    /// Yes or no.
    pub allowed: bool,
    /// By which rule: a stable id.
    pub rule: String,
    /// Step by step, from the binding and the groups to the answer.
    pub reasons: Vec<String>,
    /// Who could, where it is not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The command that shows whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
}

endpoint!(WhyAccess, "access.why", Get "/api/v1/access/why", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Whether somebody may do something, by which rule, and who could. About oneself: everybody; about others: the platform team.");
