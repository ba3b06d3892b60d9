//! What executes instances.

use crate::PortError;
use async_trait::async_trait;
use futures::stream::BoxStream;
use tow_names::{Duration, Id, Timestamp};
use tow_record::{InstanceSpec, Isolation, LogLine, ObservedInstance};

/// Which lines of a log.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// The last so many; all where nothing is said.
    pub tail: Option<usize>,
    /// Only later than this.
    pub after: Option<Timestamp>,
    /// Go on with new lines until dropped.
    pub follow: bool,
}

/// Executes instances. Restarts, probes and grace go on in it without the caller.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// The machine, as `Instance::node`.
    fn node(&self) -> String;
    /// The best isolation it offers.
    fn isolation(&self) -> Isolation;
    /// Everything of which anything is left, ended ones included until removed.
    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError>;
    /// Starts an instance and returns when accepted; never waits for health. The same id again does nothing, whether
    /// it runs or ended: at most one start per id.
    async fn start(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError>;
    /// SIGTERM, and SIGKILL after `grace`; returns when accepted. Again, or where nothing runs: no error. It is not
    /// started again by itself afterwards.
    async fn stop(&self, epoch: i64, id: &Id, grace: Duration) -> Result<(), PortError>;
    /// Takes away everything of an instance of which no process is left. [`PortError::Refused`] while one is; no error
    /// where there is nothing.
    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError>;
    /// Its log, oldest line first.
    async fn logs(
        &self,
        id: &Id,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, PortError>;
    /// `count` ports that nobody listens on just now and that are not in `taken`.
    async fn free_ports(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError>;
    /// Returns when something may have changed since the last return; a hint, never the only way to learn it.
    async fn changed(&self);
}
