//! Rows of the store as lines of a backup, and back: a line a row, a JSON array of its values.

use super::error::{BackupError, off};
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_archive::{TableSummary, Verified};
use tow_ports::{Crossings, NoCrossings};
use tow_store::{Counted, Export, Location, Part, Store, StoreError, Value};

/// So many bytes of lines are one entry of the file, about.
const ENTRY: usize = 1 << 20;
/// As many rows as a store takes at once.
const PART: usize = 200;

/// What an export becomes: pieces of lines, and at the end what they were.
pub(crate) struct Lines {
    export: Export,
    columns: BTreeMap<String, Vec<String>>,
    /// The first part of the next table, read already.
    next: Option<Part>,
}

impl Lines {
    pub(crate) const fn of(export: Export) -> Self {
        Self { export, columns: BTreeMap::new(), next: None }
    }

    /// Lines of one table, about a megabyte.
    pub(crate) async fn next(&mut self) -> Result<Option<(String, Vec<u8>)>, BackupError> {
        let first = match self.next.take() {
            Some(part) => part,
            None => match self.export.next().await? {
                Some(part) => part,
                None => return Ok(None),
            },
        };
        let table = first.table.clone();
        self.columns.insert(table.clone(), first.columns.clone());
        let mut lines = Vec::new();
        write(&mut lines, &first)?;
        while lines.len() < ENTRY {
            match self.export.next().await? {
                Some(part) if part.table == table => write(&mut lines, &part)?,
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        Ok(Some((table, lines)))
    }

    /// What was handed out.
    pub(crate) fn tables(self) -> Vec<TableSummary> {
        let mut columns = self.columns;
        let counted = self.export.summary().tables.into_iter();
        counted
            .map(|(table, Counted { rows, digest })| {
                let columns = columns.remove(&table).unwrap_or_default();
                TableSummary { table, columns, rows, digest }
            })
            .collect()
    }
}

fn write(lines: &mut Vec<u8>, part: &Part) -> Result<(), BackupError> {
    for row in &part.rows {
        serde_json::to_writer(&mut *lines, row)
            .map_err(|e| BackupError::new("backup/file", e.to_string()))?;
        lines.push(b'\n');
    }
    Ok(())
}

/// As the store says it.
pub(crate) fn summary(tables: &[TableSummary]) -> tow_store::Summary {
    let tables = tables.iter().map(|table| {
        let counted = Counted { rows: table.rows, digest: table.digest.clone() };
        (table.table.clone(), counted)
    });
    tow_store::Summary { tables: tables.collect() }
}

/// Puts a backup's rows into an empty store. One that holds just these rows already is left as it is: whoever did that
/// died before it could be said, or has another data directory on the same database: true tells of it.
pub(crate) async fn import(backup: &Arc<Verified>, at: &Location) -> Result<bool, BackupError> {
    let crossings: Arc<dyn Crossings> = Arc::new(NoCrossings);
    let store = Store::open(at, crossings).await?;
    let done = into(backup, &store).await;
    store.close().await;
    done
}

async fn into(backup: &Arc<Verified>, store: &Store) -> Result<bool, BackupError> {
    let expected = summary(&backup.summary().tables);
    let mut import = match store.import(backup.manifest().schema).await {
        Ok(import) => import,
        Err(error @ StoreError::NotEmpty { .. }) => {
            let same = store.summary().await?.differences(&expected).is_empty();
            return if same { Ok(true) } else { Err(error.into()) };
        }
        Err(error) => return Err(error.into()),
    };
    let entries: Vec<_> =
        backup.rows().map(|(table, item)| (table.to_string(), item.clone())).collect();
    for (table, item) in entries {
        let columns = backup
            .summary()
            .tables
            .iter()
            .find(|known| known.table == table)
            .map(|known| known.columns.clone())
            .unwrap_or_default();
        let (whole, name) = (backup.clone(), item.name.to_string());
        let rows = off(move || rows(&whole.read(&item)?, &name)).await?;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let rows = rows.by_ref().take(PART).collect();
            let (table, columns) = (table.clone(), columns.clone());
            import.part(Part { table, columns, rows }).await?;
        }
    }
    import.finish(Some(&expected)).await?;
    Ok(false)
}

fn rows(lines: &[u8], name: &str) -> Result<Vec<Vec<Value>>, BackupError> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            serde_json::from_slice(line)
                .map_err(|e| BackupError::new("backup/changed", format!("{name}: {e}")))
        })
        .collect()
}
