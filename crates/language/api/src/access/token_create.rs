//! `POST /api/v1/tokens`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Duration, Timestamp};
use tow_record::Role;

/// What token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// What it is for.
    pub note: String,
    /// With which right; at most one's own. One's own where nothing is said.
    #[serde(default)]
    pub role: Option<Role>,
    /// How long it holds; 90 days where nothing is said.
    #[serde(default)]
    pub expires_in: Option<Duration>,
}

/// The token, this one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its id, to withdraw it by.
    pub id: String,
    /// `Authorization: Bearer …`. Not shown again: a replay of the request answers without it.
    pub token: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

endpoint!(CreateToken, "token.create", Post "/api/v1/tokens", 201, OwnTokens,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Makes an API token for oneself; it is shown this once.");
