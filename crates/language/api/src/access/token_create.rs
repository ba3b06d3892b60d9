//! `POST /api/v1/tokens`.

use crate::{Action, Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Duration, Timestamp};
use tow_record::Role;

/// What token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// What it is for.
    pub note: String,
    /// Whose it shall be: oneself where nothing is said, or a service account, as in `serviceaccount:ci`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// With which right at most; at most one's own. One's own where nothing is said.
    #[serde(default)]
    pub role: Option<Role>,
    /// Only for these actions, and reading; for all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
    /// Only for these components and systems, as references; for all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// How long it holds; 90 days where nothing is said, at most a year.
    #[serde(default)]
    pub expires_in: Option<Duration>,
}

/// The token, this one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its id, to withdraw it by.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// With which right at most.
    pub role: Role,
    /// What its owner may at present: less than `role` where no binding gives them more.
    pub effective: Role,
    /// `Authorization: Bearer …`. Not shown again: a replay of the request answers without it.
    pub token: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

endpoint!(CreateToken, "token.create", Post "/api/v1/tokens", 201, OwnTokens,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Makes an API token for oneself or for a service account; it is shown this once.");
