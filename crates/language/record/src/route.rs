//! The route table: what the gateway serves, as one value.

use crate::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Duration, Timestamp};

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
    /// How its requests are passed on.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub passing: Passing,
    /// A part of the requests goes to the targets of another deployment, while that is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Nobody is let through just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

fn is_false(said: &bool) -> bool {
    !said
}

fn is_plain(passing: &Passing) -> bool {
    *passing == Passing::default()
}

/// How a route's requests are passed on; what is not said is the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Passing {
    /// The targets speak HTTP/2 without TLS, as servers of gRPC do.
    #[serde(skip_serializing_if = "is_false")]
    pub http2: bool,
    /// The longest wait for an answer's head, once the request is sent; then 504.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_within: Option<Duration>,
    /// The longest silence of a body or an upgraded connection, in both directions; then it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// The largest body of a request, in bytes; then 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<u64>,
    /// Answers are compressed for whoever takes that, where they are text and are not compressed yet.
    #[serde(skip_serializing_if = "is_false")]
    pub compress: bool,
    /// Requests without TLS are sent to the same address with it, by 308.
    #[serde(skip_serializing_if = "is_false")]
    pub https_only: bool,
    /// Every request is sent there instead, path and query kept, by 308: `https://www.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
}

/// Who is sent to the targets of another deployment. Whoever was is sent there again, by a cookie; a header decides it
/// beforehand, for tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canary {
    /// Targets of this deployment are the canary's, all others are not.
    pub deployment: i64,
    /// Of a hundred new clients, so many.
    pub percent: u8,
}

/// Why nobody is let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Closed {
    /// Everybody gets 503, but for a few.
    Maintenance {
        /// For people; may be empty.
        message: String,
        /// When it is worth asking again, for programs.
        retry_after: Duration,
        /// Addresses and networks that are let through: `10.1.2.3`, `10.0.0.0/8`.
        allow: Vec<String>,
        /// Who.
        by: String,
        /// Since when.
        since: Timestamp,
    },
    /// Requests are held until it is over; whoever comes later than `until`, or is one too many, gets 503.
    Paused {
        /// The end, whether or not anybody says so.
        until: Timestamp,
        /// Who.
        by: String,
        /// Since when.
        since: Timestamp,
    },
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
