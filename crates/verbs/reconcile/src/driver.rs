//! The first lane, that of the rollouts: observe, drive what is under way, heal, route, sweep; then wait for a reason to
//! do it again. What is slow has its own lane beside this one.

use crate::snapshot::Snapshot;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::watch, task::JoinSet};
use tow_names::{Duration, Timestamp};
use tow_ports::{Blobs, Builder, Clock, Edge, Keys, Locations, PortError, Runtime, Web};
use tow_record::{
    Artifact, ConfigVersion, CronState, Deployment, Fence, Instance, InstanceSpec, Lease, Observed,
    Operation, Placement, Record as _, Release, RouteSet, Run, StepRow,
};
use tow_store::{CommitError, Store, StoreError, Wrote};

/// How long the control lease holds unless renewed. A big apply holds the writer about a second, so not less than ten.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(15);
/// Without any news the loop still looks.
pub(crate) const IDLE: Duration = Duration::from_secs(5);
/// A step that could not be made is tried again.
pub(crate) const RETRY: Duration = Duration::from_millis(500);
/// After a tick that failed nothing is tried for so long.
pub(crate) const BREATH: Duration = Duration::from_millis(100);

/// What a rollout, healing, routing or sweeping reads. Seals, tokens, cursors, replies and the rest of the catalog are no
/// news to them.
const READ: [&str; 11] = [
    Operation::KIND,
    StepRow::KIND,
    Placement::KIND,
    Instance::KIND,
    Deployment::KIND,
    Release::KIND,
    Artifact::KIND,
    ConfigVersion::KIND,
    RouteSet::KIND,
    Run::KIND,
    CronState::KIND,
];

/// The first lane looks again after such a commit.
fn concerns(wrote: &Wrote) -> bool {
    wrote.object("environment")
        || wrote.object("component")
        || READ.iter().any(|kind| wrote.record(kind))
}

/// What the controllers stand on.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of its name")]
pub struct Parts {
    pub store: Store,
    pub runtime: Arc<dyn Runtime>,
    pub edge: Arc<dyn Edge>,
    pub builder: Arc<dyn Builder>,
    pub blobs: Arc<dyn Blobs>,
    pub keys: Arc<dyn Keys>,
    pub clock: Arc<dyn Clock>,
    pub web: Arc<dyn Web>,
    pub locations: Arc<dyn Locations>,
    /// How the gateway is run, where it runs under the runtime.
    pub gateway: Option<InstanceSpec>,
}

/// Why a tick ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Somebody else is in charge now: stop at once.
    #[error("the control lease was lost: {0}")]
    Lost(String),
    /// Something moved between reading and writing: the next tick sees it.
    #[error("moved meanwhile: {0}")]
    Moved(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port did not answer; tried again soon.
    #[error("{0}")]
    Port(String),
}

impl From<CommitError> for ReconcileError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Fenced { .. } => Self::Lost(error.to_string()),
            CommitError::Conflict { .. } => Self::Moved(error.to_string()),
            CommitError::Full => Self::Port(error.to_string()),
            CommitError::Store(store) => Self::Store(store),
        }
    }
}

impl From<PortError> for ReconcileError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Fenced { .. } => Self::Lost(error.to_string()),
            other => Self::Port(other.to_string()),
        }
    }
}

/// What a tick came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticked {
    /// Something was done: look again at once.
    pub progressed: bool,
    /// Look again at this time at the latest.
    pub until: Timestamp,
}

impl Ticked {
    /// Of two looks: the sooner of both.
    pub(crate) fn and(self, other: Self) -> Self {
        let progressed = self.progressed || other.progressed;
        Self { progressed, until: self.until.min(other.until) }
    }
}

/// The controllers, holding the lease.
pub struct Reconciler {
    pub(crate) parts: Parts,
    pub(crate) lease: tokio::sync::Mutex<Lease>,
    pub(crate) epoch: i64,
    pub(crate) immutable: crate::snapshot::Immutable,
    pub(crate) swept_builds: std::sync::Mutex<Timestamp>,
}

impl Reconciler {
    /// Takes the control lease. `force`: whoever held it is proven dead (the data directory's lock was free).
    /// `None`: it is held by another.
    pub async fn take(
        parts: Parts,
        holder: &str,
        force: bool,
    ) -> Result<Option<Self>, ReconcileError> {
        let now = parts.clock.now();
        let lease = parts.store.take_lease("control", holder, now, LEASE_TTL, force).await?;
        Ok(lease.map(|lease| Self {
            parts,
            epoch: lease.epoch,
            lease: tokio::sync::Mutex::new(lease),
            immutable: crate::snapshot::Immutable::default(),
            swept_builds: std::sync::Mutex::new(now),
        }))
    }

    /// The lease's epoch.
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    pub(crate) fn fence(&self) -> Fence {
        Fence { lease: "control".into(), epoch: self.epoch }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    async fn keep_lease(&self) -> Result<(), ReconcileError> {
        let mut lease = self.lease.lock().await;
        let now = self.now();
        let third = Duration::from_micros(LEASE_TTL.micros() / 3);
        if now.plus(LEASE_TTL).since(lease.expires) < third {
            return Ok(());
        }
        let renewed = self.parts.store.renew_lease(&lease, now, LEASE_TTL).await?;
        *lease = renewed.ok_or_else(|| ReconcileError::Lost("taken by another".into()))?;
        Ok(())
    }

    /// The world now. Builds are asked one by one where an operation wants to know.
    pub(crate) async fn observe(&self) -> Result<Observed, ReconcileError> {
        let (instances, edge) =
            tokio::join!(self.parts.runtime.observe(), self.parts.edge.observe());
        let instances = instances?.into_iter().map(|seen| (seen.id.clone(), seen)).collect();
        Ok(Observed { instances, builds: BTreeMap::new(), edge: edge? })
    }

    /// One look of both lanes, for whoever moves the platform by hand.
    pub async fn tick(&self) -> Result<Ticked, ReconcileError> {
        let rollouts = match self.rollouts().await {
            Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
            looked => looked,
        };
        // A port that did not answer the rollouts is no reason to leave the chores undone.
        let chores = self.chores().await?;
        Ok(rollouts?.and(chores))
    }

    /// One look at everything that runs or should.
    async fn rollouts(&self) -> Result<Ticked, ReconcileError> {
        self.keep_lease().await?;
        let mut until = self.now().plus(IDLE);
        let (mut progressed, mut failed) = (false, false);
        // Observed first, read after: what runs has a row before it runs, so nothing of ours looks like an orphan.
        let mut observed = Arc::new(self.observe().await?);
        progressed |= self.gateway(&observed).await?;
        let snapshot = Snapshot::read(&self.parts.store, &self.immutable).await?;
        for operation in &snapshot.operations {
            match self.drive(&operation.value.id, &mut observed).await {
                Ok(driven) => {
                    progressed |= driven.progressed;
                    until = until.min(driven.until);
                }
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(error) => {
                    tracing::warn!(operation = %operation.value.id, %error, "a step is tried again");
                    until = until.min(self.now().plus(RETRY));
                    failed = true;
                }
            }
        }
        // A step that failed may have begun something, with its row: a sight with the one and without the other would
        // show an orphan.
        let (observed, snapshot) = if progressed || failed {
            let observed = Arc::new(self.observe().await?);
            (observed, Snapshot::read(&self.parts.store, &self.immutable).await?)
        } else {
            (observed, snapshot)
        };
        let fired = self.crons(&snapshot).await?;
        let run = self.runs(&snapshot, &observed).await?;
        progressed |= fired.progressed || run.progressed;
        until = until.min(fired.until).min(run.until);
        progressed |= self.heal(&snapshot, &observed).await?;
        let scaled = self.scale(&snapshot, &observed).await?;
        progressed |= scaled.progressed;
        until = until.min(scaled.until);
        progressed |= self.route(&snapshot, &observed).await?;
        progressed |= self.sweep(&snapshot, &observed).await?;
        Ok(Ticked { progressed, until })
    }

    /// Both lanes, each in a task of its own, until told to stop or until one of them finds the lease lost: then neither
    /// goes on.
    pub async fn run(self: &Arc<Self>, stop: watch::Receiver<bool>) -> Result<(), ReconcileError> {
        let mut lanes = JoinSet::new();
        let (rollouts, chores, told) = (self.clone(), self.clone(), stop.clone());
        lanes.spawn(async move { rollouts.run_rollouts(stop).await });
        lanes.spawn(async move { chores.run_chores(told).await });
        while let Some(ended) = lanes.join_next().await {
            match ended {
                Ok(ended) => ended?,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => return Err(ReconcileError::Port(error.to_string())),
            }
        }
        Ok(())
    }

    async fn run_rollouts(&self, mut stop: watch::Receiver<bool>) -> Result<(), ReconcileError> {
        let mut news = self.parts.store.wake(concerns);
        while !*stop.borrow() {
            news.mark_unchanged();
            let changed = self.parts.runtime.changed();
            tokio::pin!(changed);
            let called = self.parts.edge.changed();
            tokio::pin!(called);
            let until = match self.rollouts().await {
                Ok(ticked) if ticked.progressed => continue,
                Ok(ticked) => ticked.until,
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(ReconcileError::Moved(what)) => {
                    tracing::debug!(what, "again");
                    self.now().plus(Duration::from_millis(10))
                }
                Err(error) => {
                    tracing::warn!(%error, "tick");
                    // What failed may have told of a change itself: no news makes a try worth while sooner.
                    let soon = self.now().plus(BREATH);
                    tokio::select! {
                        () = self.parts.clock.sleep_until(soon) => {}
                        _ = stop.changed() => {}
                    }
                    self.now().plus(RETRY)
                }
            };
            tokio::select! {
                _ = news.changed() => {}
                () = &mut changed => {}
                () = &mut called => {}
                () = self.parts.clock.sleep_until(until) => {}
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_woken_by_what_it_reads_alone() {
        let objects = |kinds: &[&str]| Wrote {
            objects: true,
            events: true,
            declared: kinds.iter().map(ToString::to_string).collect(),
            ..Wrote::default()
        };
        let records = |kinds: &[&str]| Wrote {
            events: true,
            kinds: kinds.iter().map(ToString::to_string).collect(),
            ..Wrote::default()
        };
        assert!(concerns(&objects(&["environment"])) && concerns(&objects(&["component", "api"])));
        assert!(!concerns(&objects(&["group", "user", "api", "location"])));
        assert!(concerns(&records(&["operation"])) && concerns(&records(&["token", "instance"])));
        let others = ["token", "token-use", "seal", "outbox", "delivery", "location-state"];
        assert!(!concerns(&records(&others)));
        assert!(!concerns(&Wrote::default()));
        assert!(concerns(&Wrote { anything: true, ..Wrote::default() }), "nobody knows what");
    }
}
