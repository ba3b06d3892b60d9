//! `GET /api/v1/artifacts/{artifact}`.

use super::list::ArtifactView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its key or digest, or enough of either's beginning.
    pub artifact: String,
}

endpoint!(GetArtifact, "artifact.get", Get "/api/v1/artifacts/{artifact}", 200, Read,
    path: Path, query: Nothing, body: Nothing, reply: ArtifactView,
    "One artifact, and who uses it.");
