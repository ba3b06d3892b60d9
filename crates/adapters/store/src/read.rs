//! Reading: always through connections that can't write, never inside a transaction that waits for anybody.

use crate::db::{self, Arg, DbError};
use crate::{Store, StoreError, commit, sql};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use tow_model::{Kind, Manifest};
use tow_names::{EntityRef, Timestamp};
use tow_record::{Event, EventBody, Record};

/// A record with the version it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<R> {
    /// What was stored.
    pub value: R,
    /// From 1; grows by one with each update.
    pub version: i64,
}

/// Which records of a kind, and in which order: by subject, number and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Find {
    /// Only those about this.
    pub subject: Option<String>,
    /// Only unfinished ones, or only finished ones.
    pub open: Option<bool>,
    /// At most so many; all where nothing is said.
    pub limit: Option<u32>,
    /// Highest number first; without a subject, those made last first.
    pub newest_first: bool,
}

/// A declared object with what the store knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectRow {
    /// As it was applied.
    pub manifest: Manifest,
    /// Given when it was made: another object of the same name has another.
    pub uid: String,
    /// Grows when the spec changes.
    pub generation: i64,
    /// From 1; grows by one with each write.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Which source it belongs to; empty where it belongs to none.
    pub source: String,
}

/// What was answered to a request that comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// SHA-256 of what was asked then.
    pub body_sha256: String,
    /// The HTTP status answered.
    pub status: u16,
    /// The body answered.
    pub reply: String,
}

fn read<T: DeserializeOwned>(kind: &str, id: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Body {
        kind: kind.into(),
        id: id.into(),
        why: error.to_string(),
    })
}

pub(crate) fn record<R: Record>(row: &db::Row) -> Result<Row<R>, StoreError> {
    Ok(Row { value: read(R::KIND, row.str(0)?, row.str(2)?)?, version: row.int(1)? })
}

/// From the columns of the statements on objects, in their order.
fn object(row: &db::Row) -> Result<ObjectRow, StoreError> {
    let id = || Ok::<_, DbError>(format!("{}:{}/{}", row.str(0)?, row.str(1)?, row.str(2)?));
    Ok(ObjectRow {
        manifest: read("object", &id()?, row.str(9)?)?,
        uid: row.text(3)?,
        generation: row.int(4)?,
        version: row.int(5)?,
        created_at: Timestamp(row.int(6)?),
        updated_at: Timestamp(row.int(7)?),
        created_by: row.text(8)?,
        source: row.text(10)?,
    })
}

/// From the columns of the statements on events, in their order.
pub(crate) fn event(row: &db::Row) -> Result<Event, StoreError> {
    let seq = row.int(0)?;
    let body: Option<EventBody> = match row.maybe(7)? {
        Some(body) => Some(read("event", &seq.to_string(), &body)?),
        None => None,
    };
    Ok(Event {
        seq,
        at: Timestamp(row.int(1)?),
        actor: row.text(2)?,
        request: row.text(3)?,
        kind: row.text(4)?,
        subject: row.text(5)?,
        body_sha256: row.text(6)?,
        body,
    })
}

impl Store {
    /// A record by its id.
    pub async fn get<R: Record>(&self, id: &str) -> Result<Option<Row<R>>, StoreError> {
        let row = self.inner.db.fetch_one(sql::RECORD_GET, &[R::KIND.into(), id.into()]).await?;
        row.as_ref().map(record).transpose()
    }

    /// The record with the highest number of this subject; among equal numbers the one with the last id.
    pub async fn last<R: Record>(&self, subject: &str) -> Result<Option<Row<R>>, StoreError> {
        let args = [R::KIND.into(), subject.into()];
        let row = self.inner.db.fetch_one(sql::RECORD_LAST, &args).await?;
        row.as_ref().map(record).transpose()
    }

    /// All records of a kind that `find` asks for.
    pub async fn list<R: Record>(&self, find: Find) -> Result<Vec<Row<R>>, StoreError> {
        let text = sql::record_find(find.subject.is_some(), find.open.is_some(), find.newest_first);
        let mut args: Vec<Arg<'_>> = vec![R::KIND.into()];
        args.extend(find.subject.as_ref().map(Arg::from));
        args.extend(find.open.map(|open| Arg::Int(open.into())));
        args.push(Arg::Int(find.limit.map_or(i64::MAX, i64::from)));
        self.inner.db.fetch(text, &args).await?.iter().map(record).collect()
    }

    /// An object; the spelling of its name does not matter.
    pub async fn object(&self, entity: &EntityRef) -> Result<Option<ObjectRow>, StoreError> {
        let (namespace, name) = (entity.namespace().as_str(), entity.name().as_str());
        let args = [entity.kind().into(), namespace.into(), name.into()];
        let row = self.inner.db.fetch_one(sql::OBJECT_GET, &args).await?;
        row.as_ref().map(object).transpose()
    }

    /// Those of these objects that there are, in no particular order; one statement per hundred.
    pub async fn objects_by(&self, entities: &[EntityRef]) -> Result<Vec<ObjectRow>, StoreError> {
        let entities: BTreeSet<&EntityRef> = entities.iter().collect();
        let entities: Vec<&EntityRef> = entities.into_iter().collect();
        if entities.is_empty() {
            return Ok(Vec::new());
        }
        let mut session = self.inner.db.reader().await?;
        let mut reader = session.read().await?;
        let rows = commit::read_rows(&mut reader, &sql::OBJECT_BY, &entities, |args, entity| {
            commit::entity_args(args, entity);
        });
        rows.await?.iter().map(object).collect()
    }

    /// What belongs to a source, by kind, namespace and name.
    pub async fn objects_of(&self, source: &str) -> Result<Vec<ObjectRow>, StoreError> {
        self.inner.db.fetch(sql::OBJECT_OF, &[source.into()]).await?.iter().map(object).collect()
    }

    /// All objects of a kind, or all there are; by namespace and name.
    pub async fn objects(&self, kind: Option<Kind>) -> Result<Vec<ObjectRow>, StoreError> {
        let rows = match kind {
            Some(kind) => {
                let kind = kind.as_str().to_ascii_lowercase();
                self.inner.db.fetch(sql::OBJECT_KIND, &[kind.into()]).await?
            }
            None => self.inner.db.fetch(sql::OBJECT_ALL, &[]).await?,
        };
        rows.iter().map(object).collect()
    }

    /// At most `limit` events, oldest first: those after `after`, or the last ones. `subject` matches exactly, and for
    /// a component its places too.
    pub async fn events(
        &self,
        after: Option<i64>,
        limit: u32,
        subject: Option<&str>,
    ) -> Result<Vec<Event>, StoreError> {
        let text = match (subject, after) {
            (Some(_), Some(_)) => sql::EVENTS_OF_AFTER,
            (Some(_), None) => sql::EVENTS_OF_LAST,
            (None, Some(_)) => sql::EVENTS_AFTER,
            (None, None) => sql::EVENTS_LAST,
        };
        let mut args: Vec<Arg<'_>> = subject.map(Arg::from).into_iter().collect();
        args.extend(after.map(Arg::Int));
        args.push(Arg::Int(limit.into()));
        let mut rows = self.inner.db.fetch(text, &args).await?;
        if after.is_none() {
            rows.reverse();
        }
        rows.iter().map(event).collect()
    }

    /// The place of the last event; 0 in an empty log.
    pub async fn head(&self) -> Result<i64, StoreError> {
        let row = self.inner.db.fetch_one(sql::HEAD, &[]).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?)
    }

    /// How far a reader of the log has come; 0 where it never wrote a cursor.
    pub async fn cursor(&self, consumer: &str) -> Result<i64, StoreError> {
        let row = self.inner.db.fetch_one(sql::CURSOR_GET, &[consumer.into()]).await?;
        Ok(row.map_or(Ok(0), |row| row.int(0))?)
    }

    /// What was answered to this actor's request with this key within the last 24 hours.
    pub async fn replay(
        &self,
        actor: &str,
        route: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Replay>, StoreError> {
        let since = now.0 - commit::KEPT.micros();
        let args = [actor.into(), route.into(), key.into(), since.into()];
        let Some(row) = self.inner.db.fetch_one(sql::IDEMPOTENCY_GET, &args).await? else {
            return Ok(None);
        };
        Ok(Some(Replay {
            body_sha256: row.text(0)?,
            status: u16::try_from(row.int(1)?).unwrap_or(500),
            reply: row.text(2)?,
        }))
    }
}
