//! `GET /api/v1/objects/{kind}/{namespace}/{name}`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Any case, singular or plural.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object as applied, plus what the platform knows of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectView {
    /// As applied: `apiVersion`, `kind`, `metadata` (with `uid` and `generation`), `spec`, and `status`.
    #[serde(flatten)]
    pub object: serde_json::Map<String, serde_json::Value>,
}

endpoint!(GetObject, "object.get", Get "/api/v1/objects/{kind}/{namespace}/{name}", 200, Read,
    path: Path, query: Nothing, body: Nothing, reply: ObjectView,
    "One object as it was applied, plus its status.");
