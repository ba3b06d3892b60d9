//! A look at a store without using it: nothing is made, nothing is brought up to date, nothing is waited for.

use crate::db::Db;
use crate::query::Cache;
use crate::wake::Wakes;
use crate::{Location, Store, StoreError, migration, open, sql};
use std::sync::{Arc, OnceLock};
use tow_names::{Id, Timestamp};
use tow_ports::NoCrossings;
use tow_record::Lease;

/// The schema of a store, and the one this binary knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The number of the last step that was made there; 0 in an empty database.
    pub found: i64,
    /// The number of the last step this binary knows.
    pub known: i64,
}

impl Schema {
    /// The number of the last step this binary knows.
    pub fn newest() -> i64 {
        migration::known()
    }
}

impl Store {
    /// Opens a store that is there already, without bringing its schema up to date. For looking only.
    pub async fn look(at: &Location) -> Result<Self, StoreError> {
        if let Location::File(path) = at
            && !path.exists()
        {
            let why = "there is no such file".into();
            return Err(StoreError::File { at: at.to_string(), why });
        }
        let inner = open::Inner {
            db: Db::open(at).await?,
            name: Id::fresh("look").to_string(),
            crossings: Arc::new(NoCrossings),
            wakes: Wakes::new(),
            asked: Cache::default(),
            listening: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its schema. [`StoreError::NotOurs`] where the database holds something else.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let mut session = self.inner.db.reader().await?;
        let mut tx = session.read().await?;
        let found = migration::found(&mut tx, &self.inner.db.at.to_string()).await?;
        Ok(Schema { found, known: migration::known() })
    }

    /// What is wrong with its structure; nothing where it is whole. Takes as long as reading all of it.
    pub async fn damage(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.inner.db.fetch(sql::QUICK_CHECK, &[]).await?;
        let mut found = Vec::new();
        for row in rows {
            found.push(row.text(0)?);
        }
        found.retain(|line| line != "ok");
        Ok(found)
    }

    /// All leases, held or not.
    pub async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let rows = self.inner.db.fetch(sql::LEASES, &[]).await?;
        let mut leases = Vec::new();
        for row in rows {
            let (name, holder, epoch) = (row.text(0)?, row.text(1)?, row.int(2)?);
            leases.push(Lease { name, holder, epoch, expires: Timestamp(row.int(3)?) });
        }
        Ok(leases)
    }

    /// What time the database's server has; none of a file, which has no clock of its own.
    pub async fn server_clock(&self) -> Result<Option<Timestamp>, StoreError> {
        if matches!(self.inner.db.at, Location::File(_)) {
            return Ok(None);
        }
        let row = self.inner.db.fetch_one(sql::SERVER_CLOCK, &[]).await?;
        Ok(row.map(|row| row.int(0)).transpose()?.map(Timestamp))
    }

    /// When an event was written.
    pub async fn event_time(&self, seq: i64) -> Result<Option<Timestamp>, StoreError> {
        let row = self.inner.db.fetch_one(sql::EVENT_TIME, &[seq.into()]).await?;
        Ok(row.map(|row| row.int(0)).transpose()?.map(Timestamp))
    }
}
