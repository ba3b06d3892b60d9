//! Leases: who may act on the world. The epoch only grows, so that whoever slept too long is told so everywhere.

use crate::{Store, StoreError, sql};
use tow_names::{Duration, Timestamp};
use tow_ports::When;
use tow_record::Lease;

impl Store {
    /// Takes a lease that is free, expired or already the holder's own; its epoch grows by one with each take. None:
    /// another holds it. `force`: the caller has proved that the old holder is dead.
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
        force: bool,
    ) -> Result<Option<Lease>, StoreError> {
        let expires = now.plus(ttl);
        self.inner.crossings.cross("store.lease", When::Before).await;
        let taken = sqlx::query_as(sql::LEASE_TAKE)
            .bind(name)
            .bind(holder)
            .bind(expires.0)
            .bind(now.0)
            .bind(i64::from(force))
            .fetch_all(&self.inner.writer)
            .await;
        self.inner.crossings.cross("store.lease", When::After).await;
        let taken: Vec<(i64,)> = taken.map_err(|error| self.failed(&error))?;
        Ok(taken.first().map(|(epoch,)| lease(name, holder, *epoch, expires)))
    }

    /// Keeps a lease for another `ttl`. None: it is lost, and the caller must stop acting.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let expires = now.plus(ttl);
        let kept: Vec<(i64,)> = sqlx::query_as(sql::LEASE_RENEW)
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch)
            .bind(expires.0)
            .fetch_all(&self.inner.writer)
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(kept.first().map(|_| Lease { expires, ..lease.clone() }))
    }
}

fn lease(name: &str, holder: &str, epoch: i64, expires: Timestamp) -> Lease {
    Lease { name: name.into(), holder: holder.into(), epoch, expires }
}
