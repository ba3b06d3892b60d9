//! SQLite: the pools over one file, arguments, and what its error codes mean.

use super::{Arg, DbError, Row};
use crate::{StoreError, file};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{SqlStr, Sqlite, SqlitePool};
use std::path::Path;

const READERS: u32 = 4;
/// How long another process (a backup, say) may hold the file.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The writer's pool of one, then the readers'. Makes the file (mode 0600) if it is not there.
pub(super) async fn open(path: &Path) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let failed = |error: sqlx::Error| StoreError::from(told(&error, path));
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
    let writer = pool().max_connections(1).connect_with(options.clone()).await.map_err(failed)?;
    let readers =
        pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "on"));
    Ok((writer, readers))
}

pub(super) fn query(text: SqlStr, args: &[Arg<'_>]) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(text);
    for arg in args {
        query = match arg {
            Arg::Text(text) => query.bind(text.as_ref()),
            Arg::Int(number) => query.bind(*number),
            Arg::Null => query.bind(None::<&str>),
        };
    }
    query
}

pub(super) fn rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

/// `path` tells a full disk from another failure of the disk.
pub(super) fn told(error: &sqlx::Error, path: &Path) -> DbError {
    let at = path.display().to_string();
    let why = error.to_string();
    DbError::Store(match error {
        sqlx::Error::PoolClosed => StoreError::Closed,
        sqlx::Error::PoolTimedOut => StoreError::Busy { at },
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
            StoreError::Full { at }
        }
        sqlx::Error::Io(_) => StoreError::File { at, why },
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            return DbError::Unique;
        }
        sqlx::Error::Database(database) => {
            let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
            // The lower byte is the primary result code, https://www.sqlite.org/rescode.html
            match code & 0xff {
                5 | 6 => StoreError::Busy { at },
                11 => StoreError::Damaged { at, why },
                13 => StoreError::Full { at },
                // Growing the shared memory or syncing a full disk comes as an IO error, not as "full".
                10 if file::no_space(path) => StoreError::Full { at },
                8 => StoreError::ReadOnly { at },
                10 | 14 => StoreError::File { at, why },
                26 => StoreError::NotOurs { at, why: "it is not a database".into() },
                _ => StoreError::Statement(why),
            }
        }
        _ => StoreError::Statement(why),
    })
}
