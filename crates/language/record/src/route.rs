//! The route table: what the gateway serves, as one value.

use crate::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteTarget {
    /// The instance's id.
    pub instance: String,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Of which release.
    pub release: i64,
    /// Of which deployment.
    pub deployment: i64,
}

/// One route: everything that asks for one of its hosts, or comes in at its port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Stable: `component:default/web@development/web/http`.
    pub id: String,
    /// Host names, lower case, without port: `web-development.localhost`.
    pub hosts: Vec<String>,
    /// Only paths that begin so; `/` for all.
    pub path: String,
    /// The port of this machine on which it is served too; 0: pick one and tell.
    pub port: u16,
    /// For the error page.
    pub component: String,
    /// For the error page.
    pub environment: String,
    /// Who answers; may be empty.
    pub targets: Vec<RouteTarget>,
    /// For the error page where nobody answers.
    pub state: State,
    /// For the error page: why nobody answers.
    pub reason: String,
    /// Requests are held while nobody answers: somebody is started for them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wakes: bool,
}

fn is_false(said: &bool) -> bool {
    !said
}

/// A whole table. The gateway takes it only if `(epoch, revision)` is larger than what it serves; the same one again
/// is acknowledged again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteSet {
    /// Of the control plane that made it.
    pub epoch: i64,
    /// Grows by one with each.
    pub revision: i64,
    /// All routes.
    pub routes: Vec<Route>,
}

impl crate::Record for RouteSet {
    const KIND: &'static str = "route-set";
    fn id(&self) -> String {
        "routes".into()
    }
    fn subject(&self) -> String {
        String::new()
    }
    fn number(&self) -> i64 {
        self.revision
    }
}

/// The gateway's word that it serves a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteAck {
    /// What it serves now.
    pub revision: i64,
    /// By route id: the ports it listens on.
    pub ports: BTreeMap<String, u16>,
}
