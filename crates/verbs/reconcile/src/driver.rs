//! The first lane, that of the rollouts: observe, drive what is under way, heal, route, sweep; then wait for a reason to
//! do it again. What is slow has its own lane beside this one.

use crate::snapshot::Snapshot;
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::watch, task::JoinSet};
use tow_names::{Duration, Timestamp};
use tow_ports::{
    AcmeSetting, Blobs, Builder, Certifier, Clock, Edge, Keys, Locations, PortError, Runtime, Web,
};
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
/// What moved between reading and writing is read again after so long.
const MOVED: Duration = Duration::from_millis(10);
/// So many operations are driven beside each other.
const AT_ONCE: usize = 16;
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
    pub certifier: Arc<dyn Certifier>,
    /// Where certificates are ordered, if anywhere.
    pub acme: Option<AcmeSetting>,
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

/// What the controllers of a look came to, together.
struct Look<'a> {
    of: &'a Reconciler,
    ticked: Ticked,
    /// One of them is to be tried again.
    failed: bool,
    /// Why the first of them is.
    trouble: Option<ReconcileError>,
}

impl Look<'_> {
    /// Adds one. Only the loss of the lease ends the look.
    fn take(
        &mut self,
        who: &str,
        came: Result<Ticked, ReconcileError>,
    ) -> Result<(), ReconcileError> {
        let again = match came {
            Ok(ticked) => {
                self.ticked = self.ticked.and(ticked);
                return Ok(());
            }
            Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
            Err(ReconcileError::Moved(what)) => {
                tracing::debug!(who, what, "again");
                MOVED
            }
            Err(error) => {
                tracing::warn!(who, %error, "is tried again");
                self.failed = true;
                self.trouble.get_or_insert(error);
                RETRY
            }
        };
        self.ticked.until = self.ticked.until.min(self.of.now().plus(again));
        Ok(())
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
        let look = rollouts?;
        look.trouble.map_or_else(|| Ok(look.ticked.and(chores)), Err)
    }

    /// One look at everything that runs or should. Whoever fails is tried again, and keeps nobody else from their work.
    async fn rollouts(&self) -> Result<Look<'_>, ReconcileError> {
        self.keep_lease().await?;
        let mut look = Look { of: self, ticked: self.idle(), failed: false, trouble: None };
        // Observed first, read after: what runs has a row before it runs, so nothing of ours looks like an orphan.
        let observed = Arc::new(self.observe().await?);
        look.take("gateway", self.gateway(&observed).await.map(|did| self.did(did)))?;
        let snapshot = Snapshot::read(&self.parts.store, &self.immutable).await?;
        // Beside each other: what is slow to begin holds its own place alone.
        let mut waiting = snapshot.operations.iter();
        let mut driven = FuturesUnordered::new();
        loop {
            while driven.len() < AT_ONCE
                && let Some(operation) = waiting.next()
            {
                let (id, seen) = (&operation.value.id, observed.clone());
                driven.push(async move { (id, self.drive(id, seen).await) });
            }
            let Some((id, ticked)) = driven.next().await else { break };
            look.take(id.as_str(), ticked)?;
        }
        // A step that is tried again is told by the operation itself.
        look.trouble = None;
        drop(driven);
        // A step that failed may have begun something, with its row: a sight with the one and without the other would
        // show an orphan.
        let (observed, snapshot) = if look.ticked.progressed || look.failed {
            let observed = Arc::new(self.observe().await?);
            (observed, Snapshot::read(&self.parts.store, &self.immutable).await?)
        } else {
            (observed, snapshot)
        };
        look.take("cron", self.crons(&snapshot).await)?;
        look.take("run", self.runs(&snapshot, &observed).await)?;
        look.take("heal", self.heal(&snapshot, &observed).await.map(|did| self.did(did)))?;
        look.take("scale", self.scale(&snapshot, &observed).await)?;
        look.take("route", self.route(&snapshot, &observed).await.map(|did| self.did(did)))?;
        look.take("sweep", self.sweep(&snapshot, &observed).await.map(|did| self.did(did)))?;
        Ok(look)
    }

    fn did(&self, progressed: bool) -> Ticked {
        Ticked { progressed, ..self.idle() }
    }

    /// Both lanes and the lease, each in a task of its own, until told to stop or until one of them finds the lease lost:
    /// then none goes on.
    pub async fn run(self: &Arc<Self>, stop: watch::Receiver<bool>) -> Result<(), ReconcileError> {
        let mut lanes = JoinSet::new();
        let (rollouts, chores, told) = (self.clone(), self.clone(), stop.clone());
        let (lease, also_told) = (self.clone(), stop.clone());
        lanes.spawn(async move { lease.run_lease(also_told).await });
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

    /// A look that takes long costs nobody the lease.
    async fn run_lease(&self, mut stop: watch::Receiver<bool>) -> Result<(), ReconcileError> {
        while !*stop.borrow() {
            match self.keep_lease().await {
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(error) => tracing::warn!(%error, "the lease is renewed again soon"),
                Ok(()) => {}
            }
            let soon = self.now().plus(Duration::from_micros(LEASE_TTL.micros() / 5));
            tokio::select! {
                () = self.parts.clock.sleep_until(soon) => {}
                _ = stop.changed() => {}
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
            let (until, failed) = match self.rollouts().await {
                Ok(look) if look.ticked.progressed && !look.failed => continue,
                Ok(look) => (look.ticked.until, look.failed),
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(ReconcileError::Moved(what)) => {
                    tracing::debug!(what, "again");
                    (self.now().plus(MOVED), false)
                }
                Err(error) => {
                    tracing::warn!(%error, "tick");
                    (self.now().plus(RETRY), true)
                }
            };
            if failed {
                // What failed may have told of a change itself: no news makes a try worth while sooner.
                let soon = self.now().plus(BREATH);
                tokio::select! {
                    () = self.parts.clock.sleep_until(soon) => {}
                    _ = stop.changed() => {}
                }
            }
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
