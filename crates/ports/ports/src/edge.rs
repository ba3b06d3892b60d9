//! What stands between the world and the instances.

use crate::PortError;
use async_trait::async_trait;
use std::collections::BTreeSet;
use tow_names::Timestamp;
use tow_record::{CertificateSet, ObservedEdge, RequestLine, RouteAck, RouteSet};

/// From where the access log is read. Places in it are what an earlier answer said, and mean nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Towards {
    /// From its end, backwards.
    Newest,
    /// From this place, backwards.
    Before(String),
    /// From this place, forwards.
    After(String),
}

/// Which requests are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestQuery {
    /// Those of these places alone, as [`tow_names::Place`] writes itself.
    pub places: BTreeSet<String>,
    /// With this id.
    pub request: Option<String>,
    /// Only those that failed; see [`RequestLine::failed`].
    pub failed: bool,
    /// At most so many.
    pub most: usize,
    /// From where.
    pub towards: Towards,
}

/// What was found. An answer looks at a bounded piece of the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requests {
    /// In the order of the log.
    pub lines: Vec<RequestLine>,
    /// Where older ones may be; none: there are none.
    pub before: Option<String>,
    /// Where newer ones will be.
    pub after: String,
    /// When the oldest request ended that was looked at.
    pub since: Option<Timestamp>,
    /// So many lines were left out of what was looked at.
    pub dropped: u64,
}

/// Serves a route table.
#[async_trait]
pub trait Edge: Send + Sync {
    /// Serves `set` from here on, in one step: a request is routed by the old table or by the new one. Returns when it
    /// is served and kept safe. A set with a lower epoch is [`PortError::Fenced`]; with the same epoch and a lower
    /// revision [`PortError::Refused`]; the same again is acknowledged again. Requests in flight go on undisturbed.
    async fn apply(&self, set: &RouteSet) -> Result<RouteAck, PortError>;
    /// Shows these certificates from here on, to new connections, and keeps them. Apart from the routes: neither waits for
    /// the other. [`PortError::Fenced`] as above; [`PortError::Refused`] where one of them can't be read, and then none
    /// of the set is shown.
    async fn certify(&self, set: &CertificateSet) -> Result<(), PortError>;
    /// How it is. Unreachable is an answer (`reachable: false`), not an error.
    async fn observe(&self) -> Result<ObservedEdge, PortError>;
    /// What its access log says of requests that ended. It answers whether the gateway runs or not. A place that can't
    /// be read is [`PortError::Refused`].
    async fn requests(&self, query: RequestQuery) -> Result<Requests, PortError>;
    /// Returns when a request may have begun to wait for a first instance since the last return; a hint, never the only
    /// way to learn it.
    async fn changed(&self);
}
