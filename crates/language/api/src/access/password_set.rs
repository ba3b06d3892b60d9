//! `PUT /api/v1/passwords`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose, and which. Never kept, never in an event, and no reply of it is kept either: the same request again does the
/// same again.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// A user's reference; oneself where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The new one: 12 to 256 characters.
    pub password: String,
    /// The present one: of oneself, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Whose it is now.
    pub user: String,
    /// So many sessions were ended.
    pub ended: u32,
}

endpoint!(SetPassword, "password.set", Put "/api/v1/passwords", 200, OwnTokens,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Sets a password and ends the user's other sessions. One's own with the present one; somebody else's: administrators only.");
