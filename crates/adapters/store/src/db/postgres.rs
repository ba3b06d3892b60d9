//! Postgres: the pools over one database, arguments, what its error codes mean, and hearing of other servers' writes.

use super::{Arg, DbError, Row};
use crate::{Location, StoreError, location};
use sqlx::postgres::{PgArguments, PgConnection, PgListener, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Executor as _, PgPool, Postgres, SqlStr};
use std::borrow::Cow;
use std::time::Duration;

const READERS: u32 = 8;
/// How long a connection, and a lock that another server holds, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that nobody used for so long is asked whether it still lives before it is used.
const DOUBT: Duration = Duration::from_secs(1);
/// Where servers tell each other of their writes.
pub(crate) const CHANNEL: &str = "tow";

/// For every connection. Who is gone without a word is noticed.
const SESSION: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
     SET tcp_keepalives_count = 3; SET client_min_messages = warning";
/// Who dies inside a transaction must not hold the others up for long.
const WRITING: &str = "SET idle_in_transaction_session_timeout = '20s'; SET lock_timeout = '20s'";
const READING: &str = "SET default_transaction_read_only = on";
const ENCODING: &str = "SELECT current_setting('server_encoding')";

/// The writer's pool of one, then the readers'. The database must exist and hold UTF-8.
pub(super) async fn open(url: &str, at: &Location) -> Result<(PgPool, PgPool), StoreError> {
    let failed = |error: sqlx::Error| StoreError::from(told(&error, at));
    let options = location::options(url)?.application_name("tow");
    // Without a pool, which would try again and again and then say only that it took too long.
    let silent =
        |_| StoreError::Unreachable { at: at.to_string(), why: "it does not answer".into() };
    let first = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options));
    let mut first = first.await.map_err(silent)?.map_err(failed)?;
    let (encoding,): (String,) =
        sqlx::query_as(ENCODING).fetch_one(&mut first).await.map_err(failed)?;
    let _ = first.close().await;
    if encoding != "UTF8" {
        let why = format!("its encoding is {encoding}, not UTF8");
        return Err(StoreError::Unfit { at: at.to_string(), why });
    }
    let writer = pool(1, WRITING).connect_lazy_with(options.clone());
    let readers = pool(READERS, READING).connect_lazy_with(options);
    Ok((writer, readers))
}

fn pool(most: u32, also: &'static str) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut PgConnection, about| {
            Box::pin(async move {
                if about.idle_for > DOUBT {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection: &mut PgConnection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(SESSION)).await?;
                connection.execute(sqlx::raw_sql(also)).await?;
                Ok(())
            })
        })
}

pub(super) fn query(text: SqlStr, args: &[Arg<'_>]) -> Query<'static, Postgres, PgArguments> {
    let mut query = sqlx::query(text);
    for arg in args {
        query = match arg {
            Arg::Text(text) => query.bind(storable(text)),
            Arg::Int(number) => query.bind(*number),
            Arg::Null => query.bind(None::<&str>),
        };
    }
    query
}

/// Postgres keeps no NUL: what is written and what is looked for are changed alike.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

pub(super) fn rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

/// By the code, <https://www.postgresql.org/docs/current/errcodes-appendix.html>. A message of the server names roles,
/// databases and hosts, never a password.
pub(super) fn told(error: &sqlx::Error, location: &Location) -> DbError {
    let at = location.to_string();
    let why = error.to_string();
    DbError::Store(match error {
        sqlx::Error::PoolClosed => StoreError::Closed,
        sqlx::Error::PoolTimedOut => {
            let why = format!("no connection could be had within {} s", PATIENCE.as_secs());
            StoreError::Unreachable { at, why }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => StoreError::Unreachable { at, why },
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            let why = database.message().to_string();
            match code.as_ref() {
                "23505" => return DbError::Unique,
                "25006" => StoreError::ReadOnly { at },
                "53100" => StoreError::Full { at },
                "53300" => StoreError::Crowded { at },
                "28P01" | "28000" => StoreError::Login { at, why },
                "3D000" => StoreError::NoDatabase { at },
                "42501" => StoreError::Denied { at, why },
                "55P03" | "40P01" | "40001" => StoreError::Busy { at },
                "XX001" | "XX002" => StoreError::Damaged { at, why },
                // It goes down, crashed or is not up yet; the connection; it gave us up; it takes nobody now.
                code if code.starts_with("57P")
                    || code.starts_with("08")
                    || matches!(code, "25P03" | "55000") =>
                {
                    StoreError::Unreachable { at, why }
                }
                code => StoreError::Statement(format!("{code}: {why}")),
            }
        }
        _ => StoreError::Statement(why),
    })
}

/// The connection that was used is there no more.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
        }
        _ => false,
    }
}

/// A connection lost while it committed: nobody knows.
pub(super) fn uncertain(error: &sqlx::Error, at: &Location) -> DbError {
    match told(error, at) {
        DbError::Store(StoreError::Unreachable { at, why }) => {
            StoreError::Uncertain { at, why }.into()
        }
        other => other,
    }
}

/// A connection that only listens.
pub(crate) struct Heard {
    listener: PgListener,
    at: Location,
}

impl Heard {
    pub(super) async fn open(url: &str, at: &Location) -> Result<Self, StoreError> {
        let failed = |error: sqlx::Error| StoreError::from(told(&error, at));
        // A pool of its own: one that is closed under it would wait for it.
        let options = location::options(url)?.application_name("tow listens");
        let pool = pool(1, READING).connect_with(options).await.map_err(failed)?;
        let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
        listener.ignore_pool_close_event(true);
        // Whoever listens wants to know at once that it can't hear.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await.map_err(failed)?;
        Ok(Self { listener, at: at.clone() })
    }

    /// What the next one wrote. None: the connection was lost.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, StoreError> {
        match self.listener.try_recv().await {
            Ok(heard) => Ok(heard.map(|heard| heard.payload().to_string())),
            Err(error) => Err(told(&error, &self.at).into()),
        }
    }
}
