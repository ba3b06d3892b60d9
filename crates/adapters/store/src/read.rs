//! Reading: always through connections that can't write, never inside a transaction that waits for anybody.

use crate::{Store, StoreError, commit, sql};
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};
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

struct StoredRecord {
    id: String,
    version: i64,
    body: String,
}

pub(crate) struct StoredObject {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    uid: String,
    generation: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
    created_by: String,
    pub(crate) body: String,
}

pub(crate) struct StoredEvent {
    seq: i64,
    at: i64,
    actor: String,
    request: String,
    kind: String,
    subject: String,
    body_sha256: String,
    body: Option<String>,
}

macro_rules! from_row {
    ($type:ident: $($column:ident),+) => {
        impl FromRow<'_, SqliteRow> for $type {
            fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}
from_row!(StoredRecord: id, version, body);
from_row!(StoredObject: kind, namespace, name, uid, generation, version, created_at, updated_at, created_by, body);
from_row!(StoredEvent: seq, at, actor, request, kind, subject, body_sha256, body);

fn read<T: DeserializeOwned>(kind: &str, id: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Body {
        kind: kind.into(),
        id: id.into(),
        why: error.to_string(),
    })
}

impl StoredRecord {
    fn read<R: Record>(self) -> Result<Row<R>, StoreError> {
        Ok(Row { value: read(R::KIND, &self.id, &self.body)?, version: self.version })
    }
}

impl StoredObject {
    fn read(self) -> Result<ObjectRow, StoreError> {
        let id = format!("{}:{}/{}", self.kind, self.namespace, self.name);
        Ok(ObjectRow {
            manifest: read("object", &id, &self.body)?,
            uid: self.uid,
            generation: self.generation,
            version: self.version,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            created_by: self.created_by,
        })
    }
}

impl StoredEvent {
    pub(crate) fn read(self) -> Result<Event, StoreError> {
        let body: Option<EventBody> = match &self.body {
            Some(body) => Some(read("event", &self.seq.to_string(), body)?),
            None => None,
        };
        Ok(Event {
            seq: self.seq,
            at: Timestamp(self.at),
            actor: self.actor,
            request: self.request,
            kind: self.kind,
            subject: self.subject,
            body_sha256: self.body_sha256,
            body,
        })
    }
}

impl Store {
    /// A record by its id.
    pub async fn get<R: Record>(&self, id: &str) -> Result<Option<Row<R>>, StoreError> {
        let row: Option<StoredRecord> = sqlx::query_as(sql::RECORD_GET)
            .bind(R::KIND)
            .bind(id)
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        row.map(StoredRecord::read).transpose()
    }

    /// The record with the highest number of this subject; among equal numbers the one with the last id.
    pub async fn last<R: Record>(&self, subject: &str) -> Result<Option<Row<R>>, StoreError> {
        let row: Option<StoredRecord> = sqlx::query_as(sql::RECORD_LAST)
            .bind(R::KIND)
            .bind(subject)
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        row.map(StoredRecord::read).transpose()
    }

    /// All records of a kind that `find` asks for.
    pub async fn list<R: Record>(&self, find: Find) -> Result<Vec<Row<R>>, StoreError> {
        let text = sql::record_find(find.subject.is_some(), find.open.is_some(), find.newest_first);
        let mut query = sqlx::query_as::<_, StoredRecord>(text).bind(R::KIND);
        if let Some(subject) = find.subject {
            query = query.bind(subject);
        }
        if let Some(open) = find.open {
            query = query.bind(i64::from(open));
        }
        let rows = query
            .bind(find.limit.map_or(i64::MAX, i64::from))
            .fetch_all(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        rows.into_iter().map(StoredRecord::read).collect()
    }

    /// An object; the spelling of its name does not matter.
    pub async fn object(&self, entity: &EntityRef) -> Result<Option<ObjectRow>, StoreError> {
        let row: Option<StoredObject> = sqlx::query_as(sql::OBJECT_GET)
            .bind(entity.kind())
            .bind(entity.namespace().as_str())
            .bind(entity.name().as_str())
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        row.map(StoredObject::read).transpose()
    }

    /// Those of these objects that there are, in no particular order; one statement per hundred.
    pub async fn objects_by(&self, entities: &[EntityRef]) -> Result<Vec<ObjectRow>, StoreError> {
        let entities: BTreeSet<&EntityRef> = entities.iter().collect();
        let entities: Vec<&EntityRef> = entities.into_iter().collect();
        if entities.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |error| self.failed(&error);
        let mut reader = self.inner.readers.acquire().await.map_err(failed)?;
        let rows: Vec<StoredObject> =
            commit::read_rows(&mut reader, &sql::OBJECT_BY, &entities, |query, entity| {
                commit::bind_entity(query, entity)
            })
            .await
            .map_err(failed)?;
        drop(reader);
        rows.into_iter().map(StoredObject::read).collect()
    }

    /// All objects of a kind, or all there are; by namespace and name.
    pub async fn objects(&self, kind: Option<Kind>) -> Result<Vec<ObjectRow>, StoreError> {
        let query = match kind {
            Some(kind) => sqlx::query_as(sql::OBJECT_KIND).bind(kind.as_str().to_ascii_lowercase()),
            None => sqlx::query_as(sql::OBJECT_ALL),
        };
        let rows: Vec<StoredObject> =
            query.fetch_all(&self.inner.readers).await.map_err(|error| self.failed(&error))?;
        rows.into_iter().map(StoredObject::read).collect()
    }

    /// At most `limit` events, oldest first: those after `after`, or the last ones. `subject` matches exactly, and for
    /// a component its places too.
    pub async fn events(
        &self,
        after: Option<i64>,
        limit: u32,
        subject: Option<&str>,
    ) -> Result<Vec<Event>, StoreError> {
        let query = match (subject, after) {
            (Some(subject), Some(after)) => {
                sqlx::query_as(sql::EVENTS_OF_AFTER).bind(subject.to_string()).bind(after)
            }
            (Some(subject), None) => sqlx::query_as(sql::EVENTS_OF_LAST).bind(subject.to_string()),
            (None, Some(after)) => sqlx::query_as(sql::EVENTS_AFTER).bind(after),
            (None, None) => sqlx::query_as(sql::EVENTS_LAST),
        };
        let mut rows: Vec<StoredEvent> = query
            .bind(i64::from(limit))
            .fetch_all(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        if after.is_none() {
            rows.reverse();
        }
        rows.into_iter().map(StoredEvent::read).collect()
    }

    /// The place of the last event; 0 in an empty log.
    pub async fn head(&self) -> Result<i64, StoreError> {
        let (seq,): (i64,) = sqlx::query_as(sql::HEAD)
            .fetch_one(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(seq)
    }

    /// How far a reader of the log has come; 0 where it never wrote a cursor.
    pub async fn cursor(&self, consumer: &str) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as(sql::CURSOR_GET)
            .bind(consumer)
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(row.map_or(0, |(seq,)| seq))
    }

    /// What was answered to this actor's request with this key within the last 24 hours.
    pub async fn replay(
        &self,
        actor: &str,
        route: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Replay>, StoreError> {
        let row: Option<(String, i64, String)> = sqlx::query_as(sql::IDEMPOTENCY_GET)
            .bind(actor)
            .bind(route)
            .bind(key)
            .bind(now.0 - commit::KEPT.micros())
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(row.map(|(body_sha256, status, reply)| Replay {
            body_sha256,
            status: u16::try_from(status).unwrap_or(500),
            reply,
        }))
    }
}
