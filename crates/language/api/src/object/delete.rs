//! `DELETE /api/v1/objects/{kind}/{namespace}/{name}`.

use super::get::Path;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its reference.
    pub entity: String,
}

endpoint!(DeleteObject, "object.delete", Delete "/api/v1/objects/{kind}/{namespace}/{name}", 200, Declare,
    path: Path, query: Nothing, body: Nothing, reply: Reply,
    "Deletes an object. Refused while something runs of it or refers to it.");
