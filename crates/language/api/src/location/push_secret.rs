//! `POST /api/v1/locations/{name}/push-secret`.

use super::get::{Path, Query};
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The secret, this one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its reference.
    pub location: String,
    /// Where the forge posts to, from the platform's root.
    pub path: String,
    /// What the forge signs with. Not shown again: a replay of the request answers without it.
    pub secret: Option<String>,
}

endpoint!(CreatePushSecret, "location.push-secret", Post "/api/v1/locations/{name}/push-secret", 201, Govern,
    path: Path, query: Query, body: Nothing, reply: Reply,
    "Makes the secret of a location's push hook, in place of the one before; it is shown this once.");
