//! What executes instances.

use crate::PortError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tow_names::{Duration, Id, Timestamp};
use tow_record::{Executes, Exit, InstanceSpec, LogLine, ObservedInstance, RuntimeFacts};

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

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field says it")]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// A command to run beside a program that runs, inside what it sees.
#[derive(Debug, Clone, Default)]
pub struct ExecSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Over the instance's own environment.
    pub env: BTreeMap<String, String>,
    /// On a terminal of this size; none: three plain streams.
    pub tty: Option<Size>,
}

/// What goes into a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecIn {
    /// Its standard input.
    Bytes(Bytes),
    /// No more of it.
    End,
    /// The terminal has this size now.
    Resize(Size),
}

/// What comes out of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOut {
    /// Standard output, or all of a terminal.
    Out(Bytes),
    /// Standard error.
    Err(Bytes),
    /// How it ended: the last of all.
    Ended(Exit),
}

/// A command under way. Dropping either half ends it: a terminal that went away leaves nothing running.
pub struct ExecSession {
    /// Into it.
    pub input: mpsc::Sender<ExecIn>,
    /// Out of it; ends after [`ExecOut::Ended`].
    pub output: BoxStream<'static, Result<ExecOut, PortError>>,
}

/// Executes instances. Restarts, probes and grace go on in it without the caller.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// The machine, as `Instance::node`.
    fn node(&self) -> String;
    /// Refuses an epoch that is behind with [`PortError::Fenced`], and from then on whatever is lower: what each effect asks
    /// first, for whoever has an effect of its own before.
    async fn fence(&self, epoch: i64) -> Result<(), PortError>;
    /// What it can do for deployments that name this runtime, as things are now.
    async fn facts(&self, runtime: &Executes) -> Result<RuntimeFacts, PortError>;
    /// Everything of which anything is left, ended ones included until removed.
    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError>;
    /// Starts an instance and returns when accepted; never waits for health. The same id again does nothing, whether
    /// it runs or ended: at most one start per id.
    async fn start(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError>;
    /// Has an instance go on as what `spec` says: where another program runs, this one is started beside it on the same
    /// sockets, and takes its place once it says that it is ready; the other ends what it began. New addresses of
    /// `listen` are added, none is moved. Returns when accepted; without effect where nothing differs or nothing runs.
    /// Only for what is handed its sockets; one that does not get ready leaves the other where it is.
    async fn renew(&self, _epoch: i64, _spec: &InstanceSpec) -> Result<(), PortError> {
        Ok(())
    }
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
    /// Runs a command in a running instance. [`PortError::NotThere`] where it does not run; [`PortError::Refused`] where
    /// the command can't be run, with the reason.
    async fn exec(&self, epoch: i64, id: &Id, spec: ExecSpec) -> Result<ExecSession, PortError>;
    /// `count` ports that nobody listens on just now and that are not in `taken`.
    async fn free_ports(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError>;
    /// Returns when something may have changed since the last return; a hint, never the only way to learn it.
    async fn changed(&self);
}
