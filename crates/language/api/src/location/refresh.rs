//! `POST /api/v1/locations/{name}/refresh`.

use super::get::{Path, Query};
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;

/// It is looked at next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its reference.
    pub location: String,
    /// A look that began after this is the one that was asked for.
    pub asked_at: Timestamp,
}

endpoint!(RefreshLocation, "location.refresh", Post "/api/v1/locations/{name}/refresh", 200, Govern,
    path: Path, query: Query, body: Nothing, reply: Reply,
    "Asks for a look at a location now. Answers at once; the location says when it was looked at.");
