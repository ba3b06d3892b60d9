//! The route table: what the gateway serves, as one value.

use crate::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_model::kinds::routes::RouteRules;
use tow_names::Duration;

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

/// Who of the clients of a route is answered by a deployment that is being tried. Whoever was once stays with it, by a
/// cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// The deployment that is tried; all other targets are what is tried against.
    pub deployment: i64,
    /// Of a hundred clients.
    pub weight: u32,
    /// A request with this header is answered by it if the header says `always`, and by the others if it says `never`.
    pub header: String,
    /// The cookie's name: the gateway's own, seen by no instance.
    pub cookie: String,
}

/// What is done with requests besides handing them on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum Mode {
    /// They are handed on.
    #[default]
    Serving,
    /// They are held until the route serves again, and refused with 504 after this time.
    Paused {
        /// How long one is held at most.
        limit: Duration,
    },
    /// They are refused with 503, but for some clients.
    Maintenance {
        /// What `Retry-After` says.
        retry_after: Duration,
        /// Networks whose clients are served all the same: `10.0.0.0/8`, `2001:db8::/32`, or one address.
        allow: Vec<String>,
        /// A sentence for the page.
        message: String,
    },
}

impl Mode {
    /// Nothing is to be done.
    pub fn is_serving(&self) -> bool {
        *self == Self::Serving
    }
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
    /// A deployment is being tried; without it all targets are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// What is done with requests.
    #[serde(default, skip_serializing_if = "Mode::is_serving")]
    pub mode: Mode,
    /// Limits, tries and redirects, as its workload says.
    #[serde(default, skip_serializing_if = "RouteRules::is_default")]
    pub rules: RouteRules,
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

/// How new a table is. Tables of a later control plane are newer, whatever their revision.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
pub struct Mark {
    /// Of the control plane that made it.
    pub epoch: i64,
    /// Its revision.
    pub revision: i64,
}

impl RouteSet {
    /// How new it is.
    pub const fn mark(&self) -> Mark {
        Mark { epoch: self.epoch, revision: self.revision }
    }
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
