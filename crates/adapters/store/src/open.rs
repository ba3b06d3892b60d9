//! Opening and closing.

use crate::db::Db;
use crate::query::Cache;
use crate::wake::{self, Wakes};
use crate::{Location, StoreError, index, migration};
use std::sync::{Arc, OnceLock};
use tokio::task::AbortHandle;
use tow_names::Id;
use tow_ports::Crossings;

/// Everything the platform knows. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) db: Db,
    /// Tells this store from others on the same database.
    pub(crate) name: String,
    pub(crate) crossings: Arc<dyn Crossings>,
    pub(crate) wakes: Wakes,
    /// Questions that were answered.
    pub(crate) asked: Cache,
    pub(crate) listening: OnceLock<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.listening.get() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("at", &self.inner.db.at).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store at this location and brings its schema up to date. A file is made (mode 0600) if it is not there,
    /// its directory must exist; a Postgres database must exist. `crossings` is told of each commit.
    pub async fn open(at: &Location, crossings: Arc<dyn Crossings>) -> Result<Self, StoreError> {
        let db = Db::open(at).await?;
        migration::migrate(&db).await?;
        index::refresh(&db).await?;
        let heard = db.listen().await.transpose()?;
        let inner = Arc::new(Inner {
            db,
            name: Id::fresh("store").to_string(),
            crossings,
            wakes: Wakes::new(),
            asked: Cache::default(),
            listening: OnceLock::new(),
        });
        if let Some(heard) = heard {
            let task = tokio::spawn(wake::listen(Arc::downgrade(&inner), heard));
            let _ = inner.listening.set(task.abort_handle());
        }
        Ok(Self { inner })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.inner.db.at
    }

    /// Waits for what is under way and closes. Everything asked later is [`StoreError::Closed`].
    pub async fn close(&self) {
        if let Some(task) = self.inner.listening.get() {
            task.abort();
        }
        self.inner.db.close().await;
    }
}
