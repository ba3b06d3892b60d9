//! `POST /api/v1/sign-in-links`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// A user's reference; oneself where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// An invitation: it holds for three days, and whoever opens it chooses a password.
    #[serde(default)]
    pub invite: bool,
}

/// The link, this one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Path and query below the platform's URL.
    pub path: Option<String>,
    /// When it ends.
    pub expires_at: tow_names::Timestamp,
}

endpoint!(CreateSignInLink, "sign-in-link.create", Post "/api/v1/sign-in-links", 201, OwnTokens,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Makes a link that signs a browser in, once, within 15 minutes; or an invitation. For somebody else: administrators only.");
