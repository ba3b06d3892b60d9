//! `GET /api/v1/facets`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of which keys, among which objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Keys with commas between, as in `kind,type,tag,owner`.
    pub keys: String,
    /// A query; all objects where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// At most so many values a key, those of most objects first; 50 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Value {
    /// As it is written.
    pub value: String,
    /// How many objects have it.
    pub count: i64,
}

/// The values of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Facet {
    /// As it was asked for.
    pub key: String,
    /// Those of most objects first.
    pub values: Vec<Value>,
    /// How many values there are in all.
    pub distinct: u64,
}

/// One for each key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// In the order asked for.
    pub facets: Vec<Facet>,
}

endpoint!(GetFacets, "object.facets", Get "/api/v1/facets", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Which values keys have among the objects that pass a query, and how many objects have each.");
