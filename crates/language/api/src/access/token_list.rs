//! `GET /api/v1/tokens`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::Role;

/// A token, without its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub note: String,
    /// Whose it is.
    pub user: String,
    /// With which right.
    pub role: Role,
    /// A browser's session.
    pub session: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// One's own; all of them for an administrator.
    pub items: Vec<TokenView>,
}

endpoint!(ListTokens, "token.list", Get "/api/v1/tokens", 200, OwnTokens,
    path: Nothing, query: Nothing, body: Nothing, reply: Reply,
    "One's own tokens and sessions, without their text.");
