//! `GET /api/v1/objects` and `GET /api/v1/objects/{kind}`: what passes a query, page by page.

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

/// Which objects, in which order, and how many of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// A query such as `type=service,website owner=quay tag:java -lifecycle=deprecated "front end"`. Side by side
    /// means both; `or`, `not` and brackets join the rest. Everything where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Keys with commas between, `-` before one that goes from Z to A, as in `type,-updated`; by reference where
    /// nothing is said. Objects without the key come last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// At most so many; 100 where nothing is said, 1000 at most, 0 for the total alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` or `previous` of a page of the same query in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only these fields: paths with commas between, as in `kind,metadata.name,spec.owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<String>,
    /// Count them all.
    #[serde(default)]
    pub total: bool,
}

/// Objects in the order asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// As applied, plus relations and status; or the fields asked for.
    pub items: Vec<ObjectView>,
    /// How many there are in all, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// The `from` of the next page; none where this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The `from` of the page before; none where this is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

endpoint!(ListObjects, "object.list", Get "/api/v1/objects/{kind}", 200, Read,
    path: Path, query: Query, body: Nothing, reply: Reply,
    "The objects of a kind that pass a query, page by page.");

endpoint!(FindObjects, "object.find", Get "/api/v1/objects", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "The objects of all kinds that pass a query, page by page.");
