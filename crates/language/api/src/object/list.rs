//! `GET /api/v1/objects/{kind}`.

use super::get::ObjectView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Any case, singular or plural.
    pub kind: String,
}

/// Objects, by namespace and name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// As applied plus status.
    pub items: Vec<ObjectView>,
}

endpoint!(ListObjects, "object.list", Get "/api/v1/objects/{kind}", 200, Read,
    path: Path, query: Nothing, body: Nothing, reply: Reply,
    "All objects of a kind as they were applied, plus their status.");
