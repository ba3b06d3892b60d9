//! `GET /api/v1/routes`.

use crate::status::get::Query;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_record::{Mode, RouteTarget, Split, State};

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteView {
    /// Its id: the place, the workload, the route's name.
    pub id: String,
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// Host names.
    pub hosts: Vec<String>,
    /// Only paths that begin so.
    pub path: String,
    /// The port of this machine on which it is served too; none before it is known.
    pub port: Option<u16>,
    /// How it is.
    pub state: State,
    /// Why nobody answers.
    pub reason: String,
    /// Who answers.
    pub targets: Vec<RouteTarget>,
    /// A deployment that is tried on some of the clients.
    pub split: Option<Split>,
    /// What is done with requests besides handing them on.
    pub mode: Mode,
}

/// By id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All of them.
    pub items: Vec<RouteView>,
}

endpoint!(ListRoutes, "route.list", Get "/api/v1/routes", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Who answers which requests, as the gateway was last told.");
