//! The two databases behind one face: statements are text, arguments are texts, whole numbers or nothing, rows are read
//! by position. Knows nothing of what is stored. What the two say differently is here and nowhere else.

mod postgres;
mod sqlite;

pub(crate) use postgres::Heard;

use crate::{Location, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection as _, PgPool, Postgres, Row as _, SqlSafeStr as _, Sqlite};
use sqlx::{SqlStr, SqlitePool};
use std::borrow::Cow;

/// What a statement is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arg<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    /// For a column of text.
    Null,
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}
impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.as_str().into())
    }
}
impl From<String> for Arg<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// A statement that each database has in its own words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Both {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// A statement's text. Nothing that anybody typed is ever part of it.
#[derive(Debug)]
pub(crate) enum Text {
    One(Cow<'static, str>),
    Both(Both),
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::One(text.into())
    }
}
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::One(text.into())
    }
}
impl From<Both> for Text {
    fn from(both: Both) -> Self {
        Self::Both(both)
    }
}

impl Text {
    fn sqlite(self) -> SqlStr {
        match self {
            Self::One(text) => AssertSqlSafe(text).into_sql_str(),
            Self::Both(both) => both.sqlite.into_sql_str(),
        }
    }

    fn postgres(self) -> SqlStr {
        match self {
            Self::One(text) => AssertSqlSafe(text).into_sql_str(),
            Self::Both(both) => both.postgres.into_sql_str(),
        }
    }
}

/// Why a statement did not do what it should.
#[derive(Debug)]
pub(crate) enum DbError {
    /// There is such a row already.
    Unique,
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for DbError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unique => Self::Statement("a row that must be alone is there already".into()),
            DbError::Store(error) => error,
        }
    }
}

/// A row that was found.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! get {
    ($self:expr, $at:expr, $type:ty) => {
        match $self {
            Self::Sqlite(row) => row.try_get::<$type, usize>($at),
            Self::Postgres(row) => row.try_get::<$type, usize>($at),
        }
        .map_err(|error| StoreError::Statement(format!("column {}: {error}", $at)).into())
    };
}

impl Row {
    /// A text that is there.
    pub(crate) fn text(&self, at: usize) -> Result<String, DbError> {
        get!(self, at, String)
    }
    /// The same, only looked at.
    pub(crate) fn str(&self, at: usize) -> Result<&str, DbError> {
        get!(self, at, &str)
    }
    /// A text, or nothing.
    pub(crate) fn maybe(&self, at: usize) -> Result<Option<String>, DbError> {
        get!(self, at, Option<String>)
    }
    /// A whole number (BIGINT).
    pub(crate) fn int(&self, at: usize) -> Result<i64, DbError> {
        get!(self, at, i64)
    }
    /// A whole number, or nothing.
    pub(crate) fn maybe_int(&self, at: usize) -> Result<Option<i64>, DbError> {
        get!(self, at, Option<i64>)
    }
}

/// The database: one connection that writes, a few that read and can do nothing else.
pub(crate) struct Db {
    pub(crate) at: Location,
    pools: Pools,
}

enum Pools {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { writer: PgPool, readers: PgPool },
}

/// The driver's error as one of ours.
fn told(at: &Location, error: &sqlx::Error) -> DbError {
    match at {
        Location::File(path) => sqlite::told(error, path),
        Location::Postgres(_) => postgres::told(error, at),
    }
}

impl Db {
    /// Opens it; one that does not exist is made where that can be done. `prepare` brings the schema up to date before
    /// anybody reads.
    pub(crate) async fn open(at: &Location) -> Result<Self, StoreError> {
        let pools = match at {
            Location::File(path) => {
                let (writer, readers) = sqlite::open(path).await?;
                Pools::Sqlite { writer, readers }
            }
            Location::Postgres(url) => {
                let (writer, readers) = postgres::open(url, at).await?;
                Pools::Postgres { writer, readers }
            }
        };
        Ok(Self { at: at.clone(), pools })
    }

    /// Runs one statement on a connection that can only read.
    pub(crate) async fn fetch(
        &self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<Vec<Row>, DbError> {
        let text = text.into();
        match &self.pools {
            Pools::Sqlite { readers, .. } => {
                sqlite::query(text.sqlite(), args).fetch_all(readers).await.map(sqlite::rows)
            }
            Pools::Postgres { readers, .. } => {
                let text = text.postgres();
                let first = postgres::query(text.clone(), args).fetch_all(readers).await;
                // A server that was started anew has ended the connections that were kept: reading again is harmless.
                let done = match first {
                    Err(error) if postgres::is_lost(&error) => {
                        postgres::query(text, args).fetch_all(readers).await
                    }
                    done => done,
                };
                done.map(postgres::rows)
            }
        }
        .map_err(|error| told(&self.at, &error))
    }

    /// The first row, if there is one.
    pub(crate) async fn fetch_one(
        &self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<Option<Row>, DbError> {
        Ok(self.fetch(text, args).await?.into_iter().next())
    }

    /// A connection that can only read, for several statements about one moment.
    pub(crate) async fn reader(&self) -> Result<Session<'_>, DbError> {
        let held = match &self.pools {
            Pools::Sqlite { readers, .. } => readers.acquire().await.map(Held::Sqlite),
            Pools::Postgres { readers, .. } => readers.acquire().await.map(Held::Postgres),
        };
        let held = held.map_err(|error| told(&self.at, &error))?;
        Ok(Session { at: &self.at, held })
    }

    /// The connection that writes; waits until nobody else has it.
    pub(crate) async fn writer(&self) -> Result<Session<'_>, DbError> {
        let held = match &self.pools {
            Pools::Sqlite { writer, .. } => writer.acquire().await.map(Held::Sqlite),
            Pools::Postgres { writer, .. } => writer.acquire().await.map(Held::Postgres),
        };
        let held = held.map_err(|error| told(&self.at, &error))?;
        Ok(Session { at: &self.at, held })
    }

    /// Hears what other servers write; none where there can be no other.
    pub(crate) async fn listen(&self) -> Option<Result<Heard, StoreError>> {
        match (&self.pools, &self.at) {
            (Pools::Sqlite { .. }, _) | (_, Location::File(_)) => None,
            (_, Location::Postgres(url)) => Some(Heard::open(url, &self.at).await),
        }
    }

    /// Is it Postgres?
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.pools, Pools::Postgres { .. })
    }

    /// Waits for what is under way and closes.
    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A connection that is held for a while.
pub(crate) struct Session<'d> {
    at: &'d Location,
    held: Held,
}

impl Session<'_> {
    /// Begins to write: nobody else does until it ends.
    pub(crate) async fn write(&mut self) -> Result<Connection<'_>, DbError> {
        self.begin("BEGIN IMMEDIATE", "BEGIN").await
    }

    /// Begins to read: all statements see one moment.
    pub(crate) async fn read(&mut self) -> Result<Connection<'_>, DbError> {
        self.begin("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    async fn begin(
        &mut self,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Result<Connection<'_>, DbError> {
        let begun = match &mut self.held {
            Held::Sqlite(held) => held.begin_with(sqlite).await.map(Transaction::Sqlite),
            Held::Postgres(held) => held.begin_with(postgres).await.map(Transaction::Postgres),
        };
        let transaction = begun.map_err(|error| told(self.at, &error))?;
        Ok(Connection { at: self.at, transaction })
    }

    /// This connection is not used again: after a failure nobody knows what state it is in. A full disk makes SQLite
    /// roll back by itself, and the driver then miscounts its depth.
    pub(crate) fn discard(mut self) {
        match &mut self.held {
            Held::Sqlite(held) => held.close_on_drop(),
            Held::Postgres(held) => held.close_on_drop(),
        }
    }
}

enum Transaction<'s> {
    Sqlite(sqlx::Transaction<'s, Sqlite>),
    Postgres(sqlx::Transaction<'s, Postgres>),
}

/// A connection inside a transaction. Dropped without [`Connection::commit`], nothing was written.
pub(crate) struct Connection<'s> {
    at: &'s Location,
    transaction: Transaction<'s>,
}

impl Connection<'_> {
    /// Runs a statement; how many rows it changed.
    pub(crate) async fn run(
        &mut self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<u64, DbError> {
        let text = text.into();
        match &mut self.transaction {
            Transaction::Sqlite(tx) => sqlite::query(text.sqlite(), args)
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
            Transaction::Postgres(tx) => postgres::query(text.postgres(), args)
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
        }
        .map_err(|error| told(self.at, &error))
    }

    /// Runs a statement; what it found.
    pub(crate) async fn fetch(
        &mut self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<Vec<Row>, DbError> {
        let text = text.into();
        match &mut self.transaction {
            Transaction::Sqlite(tx) => {
                sqlite::query(text.sqlite(), args).fetch_all(&mut **tx).await.map(sqlite::rows)
            }
            Transaction::Postgres(tx) => postgres::query(text.postgres(), args)
                .fetch_all(&mut **tx)
                .await
                .map(postgres::rows),
        }
        .map_err(|error| told(self.at, &error))
    }

    /// The first row, if there is one.
    pub(crate) async fn fetch_one(
        &mut self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<Option<Row>, DbError> {
        Ok(self.fetch(text, args).await?.into_iter().next())
    }

    /// Runs several statements that take no arguments.
    pub(crate) async fn script(&mut self, both: Both) -> Result<(), DbError> {
        match &mut self.transaction {
            Transaction::Sqlite(tx) => {
                sqlx::raw_sql(both.sqlite).execute(&mut **tx).await.map(|_| ())
            }
            Transaction::Postgres(tx) => {
                sqlx::raw_sql(both.postgres).execute(&mut **tx).await.map(|_| ())
            }
        }
        .map_err(|error| told(self.at, &error))
    }

    /// What was written is kept.
    pub(crate) async fn commit(self) -> Result<(), DbError> {
        match self.transaction {
            Transaction::Sqlite(tx) => tx.commit().await.map_err(|error| told(self.at, &error)),
            Transaction::Postgres(tx) => {
                tx.commit().await.map_err(|error| postgres::uncertain(&error, self.at))
            }
        }
    }

    /// Could a statement with this text be run? Postgres is told of what kind its `numbers` first parameters are.
    #[cfg(test)]
    pub(crate) async fn prepare(
        &mut self,
        text: impl Into<Text>,
        numbers: usize,
    ) -> Result<(), DbError> {
        use sqlx::{Executor as _, TypeInfo as _};
        let text = text.into();
        match &mut self.transaction {
            Transaction::Sqlite(tx) => tx.prepare(text.sqlite()).await.map(|_| ()),
            Transaction::Postgres(tx) => {
                let bigint = <i64 as sqlx::Type<Postgres>>::type_info();
                assert_eq!(bigint.name(), "INT8");
                tx.prepare_with(text.postgres(), &vec![bigint; numbers]).await.map(|_| ())
            }
        }
        .map_err(|error| told(self.at, &error))
    }

    /// Is it Postgres?
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.transaction, Transaction::Postgres(_))
    }
}
