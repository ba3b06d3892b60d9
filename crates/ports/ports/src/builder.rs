//! What turns a source into an artifact.

use crate::PortError;
use async_trait::async_trait;
use std::collections::BTreeMap;
use tow_names::{Id, Timestamp};
use tow_record::{BuildSpec, Found, LogLine, ObservedBuild};

/// Builds in the background; a build outlives the control plane.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Looks at a source that is among the blobs: what would build it here, and why. `Refused` where nothing can, with
    /// what was looked for or what is missing. Builds nothing.
    async fn inspect(&self, spec: &BuildSpec) -> Result<Found, PortError>;
    /// Begins, and returns when accepted. The same id again does nothing: at most one start per id. The build's
    /// output is streamed to its log. `secrets` are the values of [`BuildSpec::secrets`]: seen by the build alone, and
    /// nowhere in what it makes or says.
    async fn start(
        &self,
        epoch: i64,
        id: &Id,
        spec: &BuildSpec,
        secrets: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), PortError>;
    /// How it is. Once it ended well, the artifact's archive is among the blobs when this returns.
    async fn observe(&self, id: &Id) -> Result<ObservedBuild, PortError>;
    /// Ends it before it is done; what `why` says is how it ended. Its log stays. No error where there is nothing or it
    /// has ended.
    async fn cancel(&self, epoch: i64, id: &Id, why: &str) -> Result<(), PortError>;
    /// Ends it and takes away what it left, its log included. No error where there is nothing.
    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError>;
    /// Its log: the last `tail` lines.
    async fn log(&self, id: &Id, tail: usize) -> Result<Vec<LogLine>, PortError>;
    /// Ids of all builds of which anything is left.
    async fn list(&self) -> Result<Vec<Id>, PortError>;
}
