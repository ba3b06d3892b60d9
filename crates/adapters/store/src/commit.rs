//! The one transaction: check, write, number the events. The statements are a handful however large the batch is.
//!
//! Safe to drop at any moment: what was not committed is rolled back, what was committed stays.

use crate::batch::{Expect, ObjectWrite, RecordWrite};
use crate::sql::{self, Rows, SIZES};
use crate::{Batch, CommitError, Store, StoreError};
use sqlx::query;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, FromRow, Sqlite, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tow_names::{Duration, EntityRef};
use tow_ports::When;

/// A batch was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The place of the last event in the log, of this batch or of an earlier one; 0 in an empty log.
    pub seq: i64,
}

/// How long a reply is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a transaction ended early: the driver, or a rule.
enum Broken {
    Sql(sqlx::Error),
    Rule(CommitError),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<CommitError> for Broken {
    fn from(error: CommitError) -> Self {
        Self::Rule(error)
    }
}

type Bound = Query<'static, Sqlite, SqliteArguments>;
type Versions = BTreeMap<(String, String), i64>;

impl Store {
    /// Writes all of the batch, or nothing. Durable when it returns; wakes whoever waits on [`Store::commits`].
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        if let Some(broken) = batch.broken {
            return Err(broken.into());
        }
        twice(&batch)?;
        self.inner.crossings.cross("store.commit", When::Before).await;
        let done = self.transact(&batch).await;
        if done.is_ok() {
            self.inner.commits.send_modify(|count| *count += 1);
        }
        self.inner.crossings.cross("store.commit", When::After).await;
        done
    }

    async fn transact(&self, batch: &Batch) -> Result<Committed, CommitError> {
        let sql_failed = |error| CommitError::from(self.failed(&error));
        let mut connection = self.inner.writer.acquire().await.map_err(sql_failed)?;
        let done: Result<i64, Broken> = async {
            let mut transaction = connection.begin_with(sql::BEGIN).await?;
            let seq = write(&mut transaction, batch).await?;
            transaction.commit().await?;
            Ok(seq)
        }
        .await;
        match done {
            Ok(seq) => Ok(Committed { seq }),
            Err(Broken::Rule(error)) => Err(error),
            Err(Broken::Sql(error)) => {
                // A full disk makes SQLite roll back by itself, and the driver then miscounts its depth.
                connection.close_on_drop();
                Err(sql_failed(error))
            }
        }
    }
}

/// A thing written twice in one batch has no order that everybody would guess.
fn twice(batch: &Batch) -> Result<(), StoreError> {
    let mut records = BTreeSet::new();
    for write in &batch.records {
        if !records.insert((&write.kind, &write.id)) {
            return Err(StoreError::Twice { kind: write.kind.clone(), id: write.id.clone() });
        }
    }
    let mut objects = BTreeSet::new();
    for write in &batch.objects {
        if !objects.insert(&write.entity) {
            return Err(StoreError::Twice { kind: "object".into(), id: write.entity.to_string() });
        }
    }
    Ok(())
}

async fn write(tx: &mut SqliteConnection, batch: &Batch) -> Result<i64, Broken> {
    if let Some(fence) = &batch.fence {
        let found: Option<(i64,)> =
            sqlx::query_as(sql::LEASE_EPOCH).bind(&fence.lease).fetch_optional(&mut *tx).await?;
        let found = found.map_or(0, |(epoch,)| epoch);
        if found != fence.epoch {
            let (lease, given) = (fence.lease.clone(), fence.epoch);
            return Err(CommitError::Fenced { lease, given, found }.into());
        }
    }
    let (head,): (i64,) = sqlx::query_as(sql::HEAD).fetch_one(&mut *tx).await?;
    write_records(tx, batch, head).await?;
    write_objects(tx, batch).await?;
    for (consumer, seq) in &batch.cursors {
        query(sql::CURSOR_PUT).bind(consumer).bind(*seq).execute(&mut *tx).await?;
    }
    if let Some(kept) = &batch.idempotency {
        query(sql::IDEMPOTENCY_SWEEP).bind(kept.at.0 - KEPT.micros()).execute(&mut *tx).await?;
        let written = query(sql::IDEMPOTENCY_PUT)
            .bind(&kept.actor)
            .bind(&kept.route)
            .bind(&kept.key)
            .bind(&kept.body_sha256)
            .bind(i64::from(kept.status))
            .bind(&kept.reply)
            .bind(kept.at.0)
            .execute(&mut *tx)
            .await?;
        if written.rows_affected() == 0 {
            return Err(conflict("idempotency", &kept.key, 0, 1).into());
        }
    }
    if batch.events.is_empty() {
        return Ok(head);
    }
    // Last of all, so that the order of the log is the order of commits and has no gaps.
    let count = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
    let (last,): (i64,) = sqlx::query_as(sql::HEAD_BUMP).bind(count).fetch_one(&mut *tx).await?;
    let events: Vec<_> = (last - count + 1..).zip(&batch.events).collect();
    put_rows(tx, &sql::EVENT_PUT, &events, |query, (seq, (event, body))| {
        let digest = tow_names::Digest::of(body.as_bytes());
        query
            .bind(*seq)
            .bind(event.at.0)
            .bind(event.actor.clone())
            .bind(event.request.clone())
            .bind(event.kind.clone())
            .bind(event.subject.clone())
            .bind(digest.hex().to_string())
            .bind(body.clone())
    })
    .await?;
    Ok(last)
}

async fn write_records(tx: &mut SqliteConnection, batch: &Batch, head: i64) -> Result<(), Broken> {
    let written = batch.records.iter().map(|write| (&write.kind, &write.id));
    let expected = batch.expected.iter().map(|(kind, id, _)| (kind, id));
    let keys: BTreeSet<_> = written.chain(expected).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let rows: Vec<(String, String, i64)> =
        read_rows(tx, &sql::RECORD_VERSIONS, &keys, |query, (kind, id)| {
            query.bind((*kind).clone()).bind((*id).clone())
        })
        .await?;
    let found: Versions = rows.into_iter().map(|(kind, id, at)| ((kind, id), at)).collect();
    let version =
        |kind: &str, id: &str| found.get(&(kind.to_string(), id.to_string())).copied().unwrap_or(0);
    for (kind, id, expected) in &batch.expected {
        let found = version(kind, id);
        if found != *expected {
            return Err(conflict(kind, id, *expected, found).into());
        }
    }
    for write in &batch.records {
        let found = version(&write.kind, &write.id);
        if let Expect::Version(expected) = write.expect
            && expected != found
        {
            return Err(conflict(&write.kind, &write.id, expected, found).into());
        }
    }
    let gone: Vec<&RecordWrite> = batch.records.iter().filter(|w| w.put.is_none()).collect();
    put_rows(tx, &sql::RECORD_REMOVE, &gone, |query, write| {
        query.bind(write.kind.clone()).bind(write.id.clone())
    })
    .await?;
    let mut puts: Vec<_> =
        batch.records.iter().filter_map(|w| w.put.as_ref().map(|put| (w, put))).collect();
    // What closes goes before what opens: one operation may end where the next begins.
    puts.sort_by_key(|(_, put)| put.open);
    let changed = put_rows(tx, &sql::RECORD_PUT, &puts, |query, (write, put)| {
        query
            .bind(write.kind.clone())
            .bind(write.id.clone())
            .bind(put.subject.clone())
            .bind(put.number)
            .bind(i64::from(put.open))
            .bind(version(&write.kind, &write.id) + 1)
            .bind(head)
            .bind(put.body.clone())
    })
    .await;
    match changed {
        Ok(changed) if changed == puts.len() as u64 => Ok(()),
        // Only where somebody writes beside this transaction.
        Ok(_) => Err(conflict("record", "", 0, 0).into()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            let opened = puts.iter().find(|(w, put)| w.kind == "operation" && put.open);
            let subject = opened.map_or("", |(_, put)| put.subject.as_str());
            Err(conflict("operation", subject, 0, 1).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Kind, namespace and name, then [`Kept`].
type Found = (String, String, String, i64, i64, String, i64, String);
/// What an object keeps over a change: version, generation, uid, created_at, created_by.
type Kept = (i64, i64, String, i64, String);

async fn write_objects(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), Broken> {
    let written = batch.objects.iter().map(|write| &write.entity);
    let expected = batch.expected_objects.iter().map(|(entity, _)| entity);
    let keys: BTreeSet<&EntityRef> = written.chain(expected).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let rows: Vec<Found> =
        read_rows(tx, &sql::OBJECT_VERSIONS, &keys, |query, entity| bind_entity(query, entity))
            .await?;
    let found: BTreeMap<String, Kept> = rows
        .into_iter()
        .map(|(kind, ns, name, version, generation, uid, at, by)| {
            (format!("{kind}:{ns}/{name}"), (version, generation, uid, at, by))
        })
        .collect();
    let wanted = batch.objects.iter().map(|write| (&write.entity, write.version));
    let expected = batch.expected_objects.iter().map(|(entity, version)| (entity, *version));
    for (entity, expected) in expected.chain(wanted) {
        let id = entity.to_string();
        let found = found.get(&id).map_or(0, |kept| kept.0);
        if found != expected {
            return Err(conflict("object", &id, expected, found).into());
        }
    }
    let gone: Vec<&ObjectWrite> = batch.objects.iter().filter(|w| w.put.is_none()).collect();
    put_rows(tx, &sql::OBJECT_REMOVE, &gone, |query, write| bind_entity(query, &write.entity))
        .await?;
    let puts: Vec<_> =
        batch.objects.iter().filter_map(|w| w.put.as_ref().map(|put| (w, put))).collect();
    let changed = put_rows(tx, &sql::OBJECT_PUT, &puts, |query, (write, put)| {
        let (version, generation, uid, at, by) = found
            .get(&write.entity.to_string())
            .cloned()
            .unwrap_or_else(|| (0, 0, put.uid.clone(), put.at, put.created_by.clone()));
        bind_entity(query, &write.entity)
            .bind(uid)
            .bind(version + 1)
            .bind(generation + i64::from(put.bump_generation))
            .bind(put.body.clone())
            .bind(at)
            .bind(put.at)
            .bind(by)
    })
    .await?;
    if changed == puts.len() as u64 { Ok(()) } else { Err(conflict("object", "", 0, 0).into()) }
}

pub(crate) fn bind_entity(query: Bound, entity: &EntityRef) -> Bound {
    query
        .bind(entity.kind().to_string())
        .bind(entity.namespace().to_string())
        .bind(entity.name().to_string())
}

fn conflict(kind: &str, id: &str, expected: i64, found: i64) -> CommitError {
    CommitError::Conflict { kind: kind.into(), id: id.into(), expected, found }
}

/// Runs a statement over all items, as few times as the sizes allow; how many rows changed.
async fn put_rows<T>(
    tx: &mut SqliteConnection,
    rows: &Rows,
    items: &[T],
    bind: impl Fn(Bound, &T) -> Bound,
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    let mut rest = items;
    while !rest.is_empty() {
        let size = SIZES.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
        let (now, later) = rest.split_at(size);
        let mut bound = query(AssertSqlSafe(rows.text(size)));
        for item in now {
            bound = bind(bound, item);
        }
        changed += bound.execute(&mut *tx).await?.rows_affected();
        rest = later;
    }
    Ok(changed)
}

/// Looks all keys up; the last one is repeated to fill a size, so that few texts do.
pub(crate) async fn read_rows<T, R>(
    tx: &mut SqliteConnection,
    rows: &Rows,
    keys: &[T],
    bind: impl Fn(Bound, &T) -> Bound,
) -> Result<Vec<R>, sqlx::Error>
where
    R: for<'r> FromRow<'r, SqliteRow>,
{
    let mut found = Vec::new();
    for now in keys.chunks(SIZES[0]) {
        let size = SIZES.into_iter().rfind(|size| *size >= now.len()).unwrap_or(SIZES[0]);
        let mut bound = query(AssertSqlSafe(rows.text(size)));
        for at in 0..size {
            bound = bind(bound, &now[at.min(now.len() - 1)]);
        }
        for row in bound.fetch_all(&mut *tx).await? {
            found.push(R::from_row(&row)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tow_names::Timestamp;
    use tow_ports::NoCrossings;
    use tow_record::{EventBody, NewEvent};

    fn event(text: String) -> Batch {
        let mut batch = Batch::new();
        batch.event(NewEvent {
            at: Timestamp(1),
            actor: String::new(),
            request: String::new(),
            kind: "x".into(),
            subject: "x".into(),
            body: EventBody { summary: text, before: ().into(), after: ().into() },
        });
        batch
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_passes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("tow.db"), Arc::new(NoCrossings)).await.unwrap();
        // SQLite answers a file that may not grow as it answers a disk without space.
        query("PRAGMA max_page_count = 40").execute(&store.inner.writer).await.unwrap();
        let big = || event("x".repeat(400_000));
        assert_eq!(store.commit(big()).await, Err(CommitError::Full));
        assert_eq!(store.head().await, Ok(0));
        // The connection that failed is not used again; the next one knows no limit.
        assert_eq!(store.commit(big()).await, Ok(Committed { seq: 1 }));
        assert_eq!(store.commit(event("small".into())).await, Ok(Committed { seq: 2 }));
    }

    #[tokio::test]
    async fn readers_can_not_write() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("tow.db"), Arc::new(NoCrossings)).await.unwrap();
        let refused = query(sql::HEAD_BUMP).bind(1).execute(&store.inner.readers).await;
        assert!(refused.is_err());
    }
}
