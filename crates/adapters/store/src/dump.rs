//! Everything that counts, as one JSON value, for [`crate::canonical`]. Left out: leases, kept replies, cursors and the
//! versions of rows, which tell how often something was tried and not what came of it.

use crate::{Store, StoreError, read, sql};
use serde_json::{Value, json};
use tow_record::{Record as _, RouteSet, Seal};

impl Store {
    /// `{objects, records, events}` as of one moment.
    pub async fn dump(&self) -> Result<Value, StoreError> {
        let mut session = self.inner.db.reader().await?;
        let mut reader = session.read().await?;
        let objects = reader.fetch(sql::OBJECT_ALL, &[]).await?;
        let records = reader.fetch(sql::RECORD_ALL, &[]).await?;
        let events = reader.fetch(sql::EVENTS_ALL, &[]).await?;
        drop(reader);
        let mut told_objects = Vec::new();
        for row in objects {
            let (kind, namespace, name) = (row.str(0)?, row.str(1)?, row.str(2)?);
            told_objects.push(json!({
                "kind": kind,
                "id": format!("{kind}:{namespace}/{name}"),
                "body": body(row.str(9)?),
            }));
        }
        let mut told_records = Vec::new();
        for row in records {
            let kind = row.str(0)?;
            // Where one seal ends and the next begins is a matter of time.
            if kind == Seal::KIND {
                continue;
            }
            // A table's number counts how often it was written.
            let number = if kind == RouteSet::KIND { 0 } else { row.int(3)? };
            told_records.push(json!({
                "kind": kind, "id": row.str(1)?, "subject": row.str(2)?, "number": number,
                "open": row.int(4)? == 1, "body": body(row.str(5)?),
            }));
        }
        let mut told = Vec::new();
        for row in events {
            let event = read::event(&row)?;
            if event.kind.starts_with("lease.") {
                continue;
            }
            told.push(json!({
                "actor": event.actor, "kind": event.kind, "subject": event.subject,
                "body": event.body,
            }));
        }
        Ok(json!({ "objects": told_objects, "records": told_records, "events": told }))
    }
}

fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()))
}
