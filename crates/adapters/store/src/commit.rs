//! The one transaction: check, write, number the events. The statements are a handful however large the batch is.
//!
//! Safe to drop at any moment: what was not committed is rolled back, what was committed stays.

use crate::batch::{Expect, ObjectWrite, RecordWrite, Seen};
use crate::db::{Arg, Connection, DbError, Row};
use crate::sql::{self, Rows, SIZES};
use crate::wake::Wrote;
use crate::{Batch, CommitError, Store, StoreError, index};
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

/// Why a transaction ended early: the database, or a rule.
enum Broken {
    Db(DbError),
    Rule(CommitError),
}

impl From<DbError> for Broken {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<CommitError> for Broken {
    fn from(error: CommitError) -> Self {
        Self::Rule(error)
    }
}

impl From<DbError> for CommitError {
    fn from(error: DbError) -> Self {
        StoreError::from(error).into()
    }
}

type Versions = BTreeMap<(String, String), i64>;

impl Store {
    /// Writes all of the batch, or nothing. Durable when it returns; wakes whoever waits for what it wrote.
    pub async fn commit(&self, mut batch: Batch) -> Result<Committed, CommitError> {
        if let Some(broken) = batch.broken.take() {
            return Err(broken.into());
        }
        twice(&batch)?;
        self.inner.crossings.cross("store.commit", When::Before).await;
        // In a task of its own: whoever asked may go away in the middle, and what was written is told all the same.
        let store = self.clone();
        let task = tokio::spawn(async move {
            let wrote = Wrote::by(&batch);
            let done = store.transact(&batch, &wrote).await;
            // Where nobody knows whether it was written, whoever waits had better look.
            let uncertain = matches!(&done, Err(CommitError::Store(StoreError::Uncertain { .. })));
            if done.is_ok() || uncertain {
                store.inner.wakes.tell(wrote);
            }
            done
        });
        let done = task.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)));
        self.inner.crossings.cross("store.commit", When::After).await;
        done
    }

    async fn transact(&self, batch: &Batch, wrote: &Wrote) -> Result<Committed, CommitError> {
        let mut session = self.inner.db.writer().await?;
        let done: Result<i64, Broken> = async {
            let mut tx = session.write().await?;
            let seq = write(&mut tx, batch).await?;
            if tx.is_postgres() {
                let told = wrote.encode(&self.inner.name);
                tx.fetch(sql::NOTIFY, &[told.into()]).await?;
            }
            tx.commit().await?;
            Ok(seq)
        }
        .await;
        match done {
            Ok(seq) => Ok(Committed { seq }),
            Err(Broken::Rule(error)) => Err(error),
            Err(Broken::Db(error)) => {
                session.discard();
                Err(error.into())
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

async fn write(tx: &mut Connection<'_>, batch: &Batch) -> Result<i64, Broken> {
    // First of all: everything below is decided while nobody else writes.
    let head = tx.fetch_one(sql::HEAD_LOCK, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
    if let Some(fence) = &batch.fence {
        let found = tx.fetch_one(sql::LEASE_EPOCH, &[(&fence.lease).into()]).await?;
        let found = found.map_or(Ok(0), |row| row.int(0))?;
        if found != fence.epoch {
            let (lease, given) = (fence.lease.clone(), fence.epoch);
            return Err(CommitError::Fenced { lease, given, found }.into());
        }
    }
    write_records(tx, batch, head).await?;
    write_objects(tx, batch).await?;
    // A batch is about one or two of them.
    for (entity, status) in &batch.statuses {
        let mut args = Vec::new();
        entity_args(&mut args, entity);
        args.push(status.as_ref().map_or(Arg::Null, Arg::from));
        tx.run(sql::OBJECT_STATUS, &args).await?;
    }
    for (consumer, seq) in &batch.cursors {
        tx.run(sql::CURSOR_PUT, &[consumer.into(), (*seq).into()]).await?;
    }
    put_rows(tx, &sql::EVENT_ERASE, &batch.erased, |args, seq| args.push((*seq).into())).await?;
    if let Some(kept) = &batch.idempotency {
        tx.run(sql::IDEMPOTENCY_SWEEP, &[(kept.at.0 - KEPT.micros()).into()]).await?;
        let args = [
            (&kept.actor).into(),
            (&kept.route).into(),
            (&kept.key).into(),
            (&kept.body_sha256).into(),
            i64::from(kept.status).into(),
            (&kept.reply).into(),
            kept.at.0.into(),
        ];
        if tx.run(sql::IDEMPOTENCY_PUT, &args).await? == 0 {
            return Err(conflict("idempotency", &kept.key, 0, 1).into());
        }
    }
    if batch.events.is_empty() {
        return Ok(head);
    }
    // Last of all, so that the order of the log is the order of commits and has no gaps.
    let count = i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
    let last = tx.fetch_one(sql::HEAD_BUMP, &[count.into()]).await?;
    let last = last.map_or(Ok(0), |row| row.int(0))?;
    let events: Vec<_> = (last - count + 1..).zip(&batch.events).collect();
    put_rows(tx, &sql::EVENT_PUT, &events, |args, (seq, (event, body))| {
        let digest = tow_names::Digest::of(body.as_bytes());
        args.extend([
            (*seq).into(),
            event.at.0.into(),
            (&event.actor).into(),
            (&event.request).into(),
            (&event.kind).into(),
            (&event.subject).into(),
            digest.hex().to_string().into(),
            body.into(),
        ]);
    })
    .await?;
    Ok(last)
}

async fn write_records(tx: &mut Connection<'_>, batch: &Batch, head: i64) -> Result<(), Broken> {
    let written = batch.records.iter().map(|write| (&write.kind, &write.id));
    let expected = batch.expected.iter().map(|(kind, id, _)| (kind, id));
    let keys: BTreeSet<_> = written.chain(expected).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let rows = read_rows(tx, &sql::RECORD_VERSIONS, &keys, |args, (kind, id)| {
        args.extend([(*kind).into(), (*id).into()]);
    })
    .await?;
    let versions = rows.iter().map(|row| Ok(((row.text(0)?, row.text(1)?), row.int(2)?)));
    let found: Versions = versions.collect::<Result<_, DbError>>()?;
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
    put_rows(tx, &sql::RECORD_REMOVE, &gone, |args, write| {
        args.extend([(&write.kind).into(), (&write.id).into()]);
    })
    .await?;
    let mut puts: Vec<_> =
        batch.records.iter().filter_map(|w| w.put.as_ref().map(|put| (w, put))).collect();
    // What closes goes before what opens: one operation may end where the next begins.
    puts.sort_by_key(|(_, put)| put.open);
    let changed = put_rows(tx, &sql::RECORD_PUT, &puts, |args, (write, put)| {
        args.extend([
            (&write.kind).into(),
            (&write.id).into(),
            (&put.subject).into(),
            put.number.into(),
            i64::from(put.open).into(),
            (version(&write.kind, &write.id) + 1).into(),
            head.into(),
            (&put.body).into(),
        ]);
    })
    .await;
    match changed {
        Ok(changed) if changed == puts.len() as u64 => Ok(()),
        // Only where somebody writes beside this transaction.
        Ok(_) => Err(conflict("record", "", 0, 0).into()),
        Err(DbError::Unique) => {
            let opened = puts.iter().find(|(w, put)| w.kind == "operation" && put.open);
            let subject = opened.map_or("", |(_, put)| put.subject.as_str());
            Err(conflict("operation", subject, 0, 1).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What an object keeps over a change: version, generation, uid, created_at, created_by, and its number.
type Kept = (i64, i64, String, i64, String, i64);

async fn write_objects(tx: &mut Connection<'_>, batch: &Batch) -> Result<(), Broken> {
    let written = batch.objects.iter().map(|write| &write.entity);
    let expected = batch.expected_objects.iter().map(|(entity, _)| entity);
    let keys: BTreeSet<&EntityRef> = written.chain(expected).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let rows =
        read_rows(tx, &sql::OBJECT_VERSIONS, &keys, |args, entity| entity_args(args, entity))
            .await?;
    let kept = rows.iter().map(|row| {
        let id = format!("{}:{}/{}", row.str(0)?, row.str(1)?, row.str(2)?);
        Ok((id, (row.int(3)?, row.int(4)?, row.text(5)?, row.int(6)?, row.text(7)?, row.int(8)?)))
    });
    let found: BTreeMap<String, Kept> = kept.collect::<Result<_, DbError>>()?;
    let wanted = batch.objects.iter().map(|write| (&write.entity, write.version));
    for (entity, seen) in &batch.expected_objects {
        let id = entity.to_string();
        let kept = found.get(&id);
        let (expected, is) = match seen {
            Seen::At(version) => (*version, kept.map_or(0, |kept| kept.0)),
            Seen::As { uid, generation } => {
                let same = kept.filter(|kept| kept.2 == *uid);
                (*generation, same.map_or(0, |kept| kept.1))
            }
        };
        if is != expected {
            return Err(conflict("object", &id, expected, is).into());
        }
    }
    for (entity, expected) in wanted {
        let id = entity.to_string();
        let found = found.get(&id).map_or(0, |kept| kept.0);
        if found != expected {
            return Err(conflict("object", &id, expected, found).into());
        }
    }
    let gone: Vec<&ObjectWrite> = batch.objects.iter().filter(|w| w.put.is_none()).collect();
    put_rows(tx, &sql::OBJECT_REMOVE, &gone, |args, write| entity_args(args, &write.entity))
        .await?;
    let puts: Vec<_> =
        batch.objects.iter().filter_map(|w| w.put.as_ref().map(|put| (w, put))).collect();
    let kept: Vec<Kept> = puts
        .iter()
        .map(|(write, put)| {
            let fresh = || (0, 0, put.uid.clone(), put.at, put.created_by.clone(), 0);
            found.get(&write.entity.to_string()).cloned().unwrap_or_else(fresh)
        })
        .collect();
    let numbered = numbered(tx, kept).await?;
    let puts: Vec<_> = puts.into_iter().zip(&numbered).collect();
    let changed = put_rows(tx, &sql::OBJECT_PUT, &puts, |args, ((write, put), kept)| {
        let (version, generation, uid, at, by, id) = kept;
        args.push((*id).into());
        entity_args(args, &write.entity);
        args.extend([
            uid.into(),
            (version + 1).into(),
            (generation + i64::from(put.bump_generation)).into(),
            (&put.body).into(),
            (*at).into(),
            put.at.into(),
            by.into(),
            put.source.as_deref().into(),
        ]);
    })
    .await?;
    if changed != puts.len() as u64 {
        return Err(conflict("object", "", 0, 0).into());
    }
    let before = |write: &ObjectWrite| found.get(&write.entity.to_string()).map(|kept| kept.5);
    let stale: Vec<i64> = batch.objects.iter().filter_map(before).collect();
    index::remove(tx, &stale).await?;
    let derived: Vec<_> = puts.iter().map(|((_, put), kept)| (kept.5, &put.derived)).collect();
    if !derived.is_empty() {
        index::write(tx, &derived).await?;
    }
    Ok(())
}

/// Those that are new get the next numbers.
async fn numbered(tx: &mut Connection<'_>, mut kept: Vec<Kept>) -> Result<Vec<Kept>, DbError> {
    if kept.iter().any(|kept| kept.5 == 0) {
        let last = tx.fetch_one(sql::OBJECT_LAST, &[]).await?;
        let mut last = last.map_or(Ok(0), |row| row.int(0))?;
        for kept in kept.iter_mut().filter(|kept| kept.5 == 0) {
            last += 1;
            kept.5 = last;
        }
    }
    Ok(kept)
}

pub(crate) fn entity_args<'a>(args: &mut Vec<Arg<'a>>, entity: &'a EntityRef) {
    let (namespace, name) = (entity.namespace().as_str(), entity.name().as_str());
    args.extend([entity.kind().into(), namespace.into(), name.into()]);
}

fn conflict(kind: &str, id: &str, expected: i64, found: i64) -> CommitError {
    CommitError::Conflict { kind: kind.into(), id: id.into(), expected, found }
}

/// Runs a statement over all items, as few times as the sizes allow; how many rows changed.
pub(crate) async fn put_rows<'a, T>(
    tx: &mut Connection<'_>,
    rows: &Rows,
    items: &'a [T],
    fill: impl Fn(&mut Vec<Arg<'a>>, &'a T),
) -> Result<u64, DbError> {
    let mut changed = 0;
    let mut rest = items;
    while !rest.is_empty() {
        let size = SIZES.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
        let (now, later) = rest.split_at(size);
        let mut args = Vec::with_capacity(size * rows.columns);
        for item in now {
            fill(&mut args, item);
        }
        changed += tx.run(rows.text(size), &args).await?;
        rest = later;
    }
    Ok(changed)
}

/// Looks all keys up; the last one is repeated to fill a size, so that few texts do.
pub(crate) async fn read_rows<'a, T>(
    tx: &mut Connection<'_>,
    rows: &Rows,
    keys: &'a [T],
    fill: impl Fn(&mut Vec<Arg<'a>>, &'a T),
) -> Result<Vec<Row>, DbError> {
    let mut found = Vec::new();
    for now in keys.chunks(SIZES[0]) {
        let size = SIZES.into_iter().rfind(|size| *size >= now.len()).unwrap_or(SIZES[0]);
        let mut args = Vec::with_capacity(size * rows.columns);
        for at in 0..size {
            fill(&mut args, &now[at.min(now.len() - 1)]);
        }
        found.append(&mut tx.fetch(rows.text(size), &args).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;
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

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let at = Location::File(dir.path().join("tow.db"));
        let store = Store::open(&at, Arc::new(NoCrossings)).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_passes() {
        let (_dir, store) = store().await;
        // SQLite answers a file that may not grow as it answers a disk without space.
        {
            let mut session = store.inner.db.writer().await.unwrap();
            let mut tx = session.write().await.unwrap();
            tx.fetch("PRAGMA max_page_count = 40", &[]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let big = || event("x".repeat(400_000));
        assert_eq!(store.commit(big()).await, Err(CommitError::Full));
        assert_eq!(store.head().await, Ok(0));
        // The connection that failed is not used again; the next one knows no limit.
        assert_eq!(store.commit(big()).await, Ok(Committed { seq: 1 }));
        assert_eq!(store.commit(event("small".into())).await, Ok(Committed { seq: 2 }));
    }

    #[tokio::test]
    async fn readers_can_not_write() {
        let (_dir, store) = store().await;
        assert!(store.inner.db.fetch(sql::HEAD_BUMP, &[1.into()]).await.is_err());
        assert_eq!(store.head().await, Ok(0));
    }
}
