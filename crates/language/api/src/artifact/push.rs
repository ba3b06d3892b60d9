//! `POST /api/v1/artifacts/{artifact}/push`.

use super::get::Path;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where to, and upon what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The image: `registry.example/team/app:1`.
    pub reference: String,
    /// What it stands on: an image of a registry, `scratch`, or `layout:FOLDER` of the platform's machine (for
    /// administrators). `scratch` for Go where nothing is said; else it has to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Whose account at the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its password. It is passed on and kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// What is in the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// With its digest.
    pub reference: String,
    /// Of the manifest: the same artifact upon the same base has the same.
    pub digest: String,
    /// How many layers.
    pub layers: u64,
    /// Their bytes.
    pub size: u64,
    /// The artifact's key.
    pub artifact: String,
}

endpoint!(PushArtifact, "artifact.push", Post "/api/v1/artifacts/{artifact}/push", 200, Deploy,
    path: Path, query: Nothing, body: Body, reply: Reply,
    "Assembles an image of an artifact upon a base, and pushes it to a registry. Again, it is the same image.");
