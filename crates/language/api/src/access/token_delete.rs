//! `DELETE /api/v1/tokens/{token}`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its id.
    pub token: String,
}

endpoint!(DeleteToken, "token.delete", Delete "/api/v1/tokens/{token}", 200, OwnTokens,
    path: Path, query: Nothing, body: Nothing, reply: Nothing,
    "Withdraws a token or session at once.");
