//! What nothing wants: instances without a row, and builds whose log nobody needs any more.

use crate::{
    driver::{ReconcileError, Reconciler},
    snapshot::Snapshot,
};
use std::{collections::HashSet, sync::PoisonError};
use tow_names::{Duration, Id, Timestamp};
use tow_record::{Build, Observed, Operation};

/// A build's log can be looked at for so long.
const BUILDS_KEPT: Duration = Duration::from_secs(24 * 3600);
const BETWEEN: Duration = Duration::from_secs(600);

impl Reconciler {
    pub(crate) async fn sweep(
        &self,
        snapshot: &Snapshot,
        observed: &Observed,
    ) -> Result<bool, ReconcileError> {
        let mut swept = false;
        let mut rows: HashSet<&Id> =
            snapshot.instances.values().flatten().map(|row| &row.id).collect();
        rows.extend(snapshot.attempts.keys());
        for seen in observed.instances.values() {
            let ours = seen.id.as_str().starts_with("i-");
            if !ours || rows.contains(&seen.id) {
                continue;
            }
            if seen.may_run() {
                tracing::warn!(instance = %seen.id, "nothing wants it: stopped");
                self.parts.runtime.stop(self.epoch, &seen.id, Duration::from_secs(5)).await?;
            } else {
                self.parts.runtime.remove(self.epoch, &seen.id).await?;
                swept = true;
            }
        }
        self.sweep_builds().await?;
        Ok(swept)
    }

    async fn sweep_builds(&self) -> Result<(), ReconcileError> {
        let now = self.now();
        {
            let mut last = self.swept_builds.lock().unwrap_or_else(PoisonError::into_inner);
            if now.since(*last) < BETWEEN {
                return Ok(());
            }
            *last = now;
        }
        let builds = self.parts.builder.list().await?;
        let of = |build: &Id| Operation::of_build(build).map(|id| id.to_string());
        let operations: Vec<String> = builds.iter().filter_map(of).collect();
        let operations = self.parts.store.get_many::<Operation>(operations).await?;
        let own: Vec<String> = builds.iter().map(ToString::to_string).collect();
        let own = self.parts.store.get_many::<Build>(own).await?;
        for id in builds {
            let owner = of(&id).and_then(|id| operations.get(&id));
            let ended = match (owner, own.get(id.as_str())) {
                (Some(row), _) => row.value.finished_at,
                (_, Some(row)) => row.value.finished_at,
                (None, None) => Some(Timestamp(0)),
            };
            let over = ended.is_some_and(|at| at.plus(BUILDS_KEPT) < now);
            if over {
                self.parts.builder.remove(self.epoch, &id).await?;
            }
        }
        Ok(())
    }
}
