//! What stands between the world and the instances.

use crate::PortError;
use async_trait::async_trait;
use tow_record::{CertificateSet, ObservedEdge, RouteAck, RouteSet};

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
    /// Returns when a request may have begun to wait for a first instance since the last return; a hint, never the only
    /// way to learn it.
    async fn changed(&self);
}
