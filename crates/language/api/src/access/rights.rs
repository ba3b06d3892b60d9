//! `GET /api/v1/access/rights`.

use crate::{Action, Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_record::{Limits, Role};

/// Whose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Who: a user or service account; oneself where nothing is said.
    #[serde(default)]
    pub actor: Option<String>,
}

/// Where a role comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleView {
    /// Which.
    pub role: Role,
    /// The binding that gives it; none where it is the default.
    pub binding: Option<String>,
    /// From the actor to what the binding names.
    pub path: Vec<String>,
}

/// A group they are in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupView {
    /// Which.
    pub group: String,
    /// From the actor to the group.
    pub path: Vec<String>,
}

/// How far an action goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RightView {
    /// Which.
    pub action: Action,
    /// `everything`, `own` (what they and their groups own, or their own tokens) or `nothing`.
    pub on: String,
}

/// What they may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Who.
    pub actor: String,
    /// Their role.
    pub role: Role,
    /// Every binding that concerns them, the greatest first.
    pub roles: Vec<RoleView>,
    /// Their groups, the nearest first.
    pub groups: Vec<GroupView>,
    /// Every action.
    pub rights: Vec<RightView>,
    /// What the token that asks is cut down to, where one asks about oneself.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
}

endpoint!(ListRights, "access.list", Get "/api/v1/access/rights", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "What somebody may do, and from which bindings and groups. About oneself: everybody; about others: the platform team.");
