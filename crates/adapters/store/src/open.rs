//! Opening and closing: one connection writes, a few read and can do nothing else.

use crate::{StoreError, file, migration};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tow_ports::Crossings;

const READERS: u32 = 4;
/// How long another process (a backup, say) may hold the file.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Everything the platform knows. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) crossings: Arc<dyn Crossings>,
    pub(crate) commits: watch::Sender<u64>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database file at `path`, makes it (mode 0600) if it is not there, and brings its schema up to date.
    /// The directory must exist. `crossings` is told of each commit.
    pub async fn open(path: &Path, crossings: Arc<dyn Crossings>) -> Result<Self, StoreError> {
        let failed = |error: sqlx::Error| StoreError::from_sqlx(&error, path);
        file::check_place(path)?;
        file::make(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("cell_size_check", "on");
        // A connection is never given up for its age: opening one costs more than keeping it.
        let pool = || {
            SqlitePoolOptions::new()
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .acquire_timeout(PATIENCE * 3)
        };
        let writer =
            pool().max_connections(1).connect_with(options.clone()).await.map_err(failed)?;
        {
            let mut connection = writer.acquire().await.map_err(failed)?;
            migration::migrate(&mut connection, path).await?;
        }
        let readers = pool()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(failed)?;
        let (commits, _) = watch::channel(0);
        let path = path.to_path_buf();
        Ok(Self { inner: Arc::new(Inner { path, writer, readers, crossings, commits }) })
    }

    /// Grows with every commit: the wake. A hint; whoever waits also looks by timer.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
    }

    /// Waits for what is under way and closes the file. Everything asked later is [`StoreError::Closed`].
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    pub(crate) fn failed(&self, error: &sqlx::Error) -> StoreError {
        StoreError::from_sqlx(error, &self.inner.path)
    }
}
