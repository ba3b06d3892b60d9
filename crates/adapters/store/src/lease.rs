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
        let taken = self.take(name, holder, now, expires, force).await;
        self.inner.crossings.cross("store.lease", When::After).await;
        Ok(taken?.map(|epoch| Lease { name: name.into(), holder: holder.into(), epoch, expires }))
    }

    async fn take(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        expires: Timestamp,
        force: bool,
    ) -> Result<Option<i64>, StoreError> {
        let mut session = self.inner.db.writer().await?;
        let mut tx = session.write().await?;
        // No commit that was fenced by the old epoch may become durable after this one.
        tx.fetch(sql::HEAD_LOCK, &[]).await?;
        let args =
            [name.into(), holder.into(), expires.0.into(), now.0.into(), i64::from(force).into()];
        let epoch = tx.fetch_one(sql::LEASE_TAKE, &args).await?;
        let epoch = epoch.map(|row| row.int(0)).transpose()?;
        tx.commit().await?;
        Ok(epoch)
    }

    /// Keeps a lease for another `ttl`. None: it is lost, and the caller must stop acting.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let expires = now.plus(ttl);
        let mut session = self.inner.db.writer().await?;
        let mut tx = session.write().await?;
        let args =
            [(&lease.name).into(), (&lease.holder).into(), lease.epoch.into(), expires.0.into()];
        let kept = tx.fetch_one(sql::LEASE_RENEW, &args).await?;
        tx.commit().await?;
        Ok(kept.map(|_| Lease { expires, ..lease.clone() }))
    }

    /// Who holds a lease, or held it last.
    pub async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let Some(row) = self.inner.db.fetch_one(sql::LEASE_GET, &[name.into()]).await? else {
            return Ok(None);
        };
        Ok(Some(Lease {
            name: name.into(),
            holder: row.text(0)?,
            epoch: row.int(1)?,
            expires: Timestamp(row.int(2)?),
        }))
    }
}
