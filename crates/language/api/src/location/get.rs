//! `GET /api/v1/locations/{name}`.

use super::list::LocationView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Its name.
    pub name: String,
}

/// In which namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// `default` where nothing is said.
    #[serde(default)]
    pub namespace: Option<String>,
}

endpoint!(GetLocation, "location.get", Get "/api/v1/locations/{name}", 200, Read,
    path: Path, query: Query, body: Nothing, reply: LocationView,
    "One location, and how it was found last.");
