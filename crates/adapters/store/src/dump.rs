//! Everything that counts, as one JSON value, for [`crate::canonical`]. Left out: leases, kept replies, cursors and the
//! versions of rows, which tell how often something was tried and not what came of it.

use crate::read::{StoredEvent, StoredObject};
use crate::{Store, StoreError, sql};
use serde_json::{Value, json};
use tow_record::{Record as _, RouteSet};

impl Store {
    /// `{objects, records, events}` as of one moment.
    pub async fn dump(&self) -> Result<Value, StoreError> {
        let failed = |error| self.failed(&error);
        let mut reader = self.inner.readers.begin().await.map_err(failed)?;
        let objects: Vec<StoredObject> =
            sqlx::query_as(sql::OBJECT_ALL).fetch_all(&mut *reader).await.map_err(failed)?;
        let records: Vec<(String, String, String, i64, i64, String)> =
            sqlx::query_as(sql::RECORD_ALL).fetch_all(&mut *reader).await.map_err(failed)?;
        let events: Vec<StoredEvent> =
            sqlx::query_as(sql::EVENTS_ALL).fetch_all(&mut *reader).await.map_err(failed)?;
        drop(reader);
        let objects = objects.into_iter().map(|object| {
            json!({
                "kind": object.kind,
                "id": format!("{}:{}/{}", object.kind, object.namespace, object.name),
                "body": body(&object.body),
            })
        });
        let records = records.into_iter().map(|(kind, id, subject, number, open, text)| {
            // A table's number counts how often it was written.
            let number = if kind == RouteSet::KIND { 0 } else { number };
            json!({
                "kind": kind, "id": id, "subject": subject, "number": number, "open": open == 1,
                "body": body(&text),
            })
        });
        let (objects, records): (Vec<_>, Vec<_>) = (objects.collect(), records.collect());
        let mut told = Vec::new();
        for event in events {
            let event = event.read()?;
            if event.kind.starts_with("lease.") {
                continue;
            }
            told.push(json!({
                "actor": event.actor, "kind": event.kind, "subject": event.subject,
                "body": event.body,
            }));
        }
        Ok(json!({ "objects": objects, "records": records, "events": told }))
    }
}

fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()))
}
