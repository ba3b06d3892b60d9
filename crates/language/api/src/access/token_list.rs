//! `GET /api/v1/tokens`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::{Limits, Purpose, Role};

/// Which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Only tokens of this purpose: `api`, `session` or `local`.
    #[serde(default)]
    pub purpose: Option<Purpose>,
    /// Whose, as in `user:ann` or `serviceaccount:ci`; `all` for everybody's. One's own where nothing is said.
    #[serde(default)]
    pub owner: Option<String>,
}

/// A token, without its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub note: String,
    /// Whose it is.
    pub owner: String,
    /// With which right at present: at most what it was made with, and at most its owner's.
    pub role: Role,
    /// What form of token it is.
    pub purpose: Purpose,
    /// What it is cut down to.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the hour; never, where nothing is said.
    pub used_at: Option<Timestamp>,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Those that hold.
    pub items: Vec<TokenView>,
}

endpoint!(ListTokens, "token.list", Get "/api/v1/tokens", 200, OwnTokens,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Tokens and sessions that hold, without their text: one's own; somebody else's for administrators.");
