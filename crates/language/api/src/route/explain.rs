//! `GET /api/v1/routes/explain`.

use super::list::RouteView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// The URL asked for; without `http://` it is taken as a host and a path.
    pub url: String,
}

/// A route that does not answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotThis {
    /// Its id.
    pub route: String,
    /// Why not.
    pub why: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// The host that was asked, in lower case.
    pub host: String,
    /// The port, where it is a route's own.
    pub port: Option<u16>,
    /// The path.
    pub path: String,
    /// The route that answers.
    pub route: Option<RouteView>,
    /// Why that one, or why none.
    pub why: String,
    /// Other routes of the same host or port.
    pub others: Vec<NotThis>,
    /// Hosts that are written nearly so.
    pub near: Vec<String>,
}

endpoint!(ExplainRoute, "route.explain", Get "/api/v1/routes/explain", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Which route answers a URL, and why none of the others does.");
