//! Everything that a store knows, as rows: out of one moment of it, part by part, and into an empty one, all or nothing.
//! What is made of other tables is left out and made anew. The rows are the same whichever database they came from.

use crate::db::{Arg, Connection, Row};
use crate::sql::{self, Column, EXPORTED, PAGE, SIZES, Table};
use crate::wake::Wrote;
use crate::{Store, StoreError, index, migration};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tow_names::{Digest, Hasher};

/// Pages that are read ahead of whoever takes them.
const AHEAD: usize = 2;
/// The oldest schema that is read: there was no export before.
const OLDEST: i64 = 2;

/// The schema of what is exported by this binary.
pub const EXPORTED_SCHEMA: i64 = migration::known();

/// One value of a row; in JSON a number, a text or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number; times are microseconds since 1970.
    Int(i64),
    /// A text; bodies are JSON as it was written, to the byte.
    Text(String),
    /// Nothing.
    Null,
}

/// Some rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The table's name.
    pub table: String,
    /// What the values of a row are, in this order.
    pub columns: Vec<String>,
    /// At most 200 rows, in the order of the table's key.
    pub rows: Vec<Vec<Value>>,
}

/// How many rows a table has, and their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many.
    pub rows: u64,
    /// Over all values in the order of the table's key; the same on each database.
    pub digest: Digest,
}

/// What a store holds, short enough to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// By name, every table that is exported.
    pub tables: BTreeMap<String, Counted>,
}

impl Summary {
    /// What differs, a line a table; nothing where both hold the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for table in EXPORTED {
            let (one, two) = (self.tables.get(table.name), other.tables.get(table.name));
            let rows = |side: Option<&Counted>| side.map_or(0, |counted| counted.rows);
            if rows(one) != rows(two) {
                found.push(format!("{}: {} rows and {}", table.name, rows(one), rows(two)));
            } else if one != two {
                found.push(format!("{}: {} rows, but not the same", table.name, rows(one)));
            }
        }
        found
    }
}

#[derive(Default)]
struct Counting(BTreeMap<String, (u64, Hasher)>);

impl Counting {
    fn add(&mut self, part: &Part) {
        let (count, hasher) = self.0.entry(part.table.clone()).or_default();
        for row in &part.rows {
            *count += 1;
            for value in row {
                match value {
                    Value::Int(number) => {
                        hasher.update(b"i");
                        hasher.update(&number.to_be_bytes());
                    }
                    Value::Text(text) => {
                        // What Postgres can't keep is counted as it keeps it.
                        let text = text.replace('\0', "\u{fffd}");
                        hasher.update(b"t");
                        hasher.update(&(text.len() as u64).to_be_bytes());
                        hasher.update(text.as_bytes());
                    }
                    Value::Null => hasher.update(b"n"),
                }
            }
        }
    }

    fn finish(mut self) -> Summary {
        let mut tables = BTreeMap::new();
        for table in EXPORTED {
            let (rows, hasher) = self.0.remove(table.name).unwrap_or_default();
            tables.insert(table.name.to_string(), Counted { rows, digest: hasher.finish() });
        }
        Summary { tables }
    }
}

/// A store's rows, as of the moment when it was begun. Dropped early, nothing is left of it.
pub struct Export {
    schema: i64,
    head: i64,
    parts: mpsc::Receiver<Result<Part, StoreError>>,
    counting: Counting,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Export {
    /// The schema's number, for [`Store::import`].
    pub const fn schema(&self) -> i64 {
        self.schema
    }

    /// The place of the last event in it.
    pub const fn head(&self) -> i64 {
        self.head
    }

    /// The next rows; nothing after the last ones.
    pub async fn next(&mut self) -> Result<Option<Part>, StoreError> {
        let part = self.parts.recv().await.transpose()?;
        if let Some(part) = &part {
            self.counting.add(part);
        }
        Ok(part)
    }

    /// What was handed out, counted: after the last part that is all of the store.
    pub fn summary(self) -> Summary {
        self.counting.finish()
    }
}

/// Rows on their way into an empty store. Dropped before [`Import::finish`], nothing was written.
pub struct Import {
    parts: mpsc::Sender<Step>,
    task: JoinHandle<Result<Summary, StoreError>>,
}

enum Step {
    Part(Part),
    Finish(Option<Summary>),
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").finish_non_exhaustive()
    }
}

impl Import {
    /// Takes the next part. After an error nothing was written, and nothing more is taken.
    pub async fn part(&mut self, part: Part) -> Result<(), StoreError> {
        match self.parts.send(Step::Part(part)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Keeps all of it, if it is what was expected; then makes the rest anew.
    pub async fn finish(mut self, expected: Option<&Summary>) -> Result<Summary, StoreError> {
        if self.parts.send(Step::Finish(expected.cloned())).await.is_err() {
            return Err(self.ended().await);
        }
        self.task.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn ended(&mut self) -> StoreError {
        match (&mut self.task).await {
            Ok(Err(error)) => error,
            _ => StoreError::Closed,
        }
    }
}

impl Store {
    /// Begins to hand out everything as of now. Writes go on meanwhile and are not in it.
    pub async fn export(&self) -> Result<Export, StoreError> {
        let (send, mut parts) = mpsc::channel(AHEAD);
        let (begun, begin) = tokio::sync::oneshot::channel();
        let store = self.clone();
        tokio::spawn(async move {
            if let Err(error) = read(&store, begun, &send).await {
                // Nobody listens where whoever asked went away.
                let _ = send.send(Err(error)).await;
            }
        });
        match begin.await {
            Ok((schema, head)) => Ok(Export { schema, head, parts, counting: Counting::default() }),
            Err(_) => match parts.recv().await {
                Some(Err(error)) => Err(error),
                _ => Err(StoreError::Closed),
            },
        }
    }

    /// Begins to take everything of an export of this schema. The store must be empty, and nobody else writes until this
    /// ends.
    pub async fn import(&self, schema: i64) -> Result<Import, StoreError> {
        let at = self.inner.db.at.to_string();
        if schema > migration::known() {
            let at = "the export".into();
            return Err(StoreError::Newer { at, found: schema, known: migration::known() });
        }
        if schema < OLDEST {
            let why = format!("its schema is {schema}, and there was no export of that");
            return Err(StoreError::Broken { why });
        }
        let (parts, steps) = mpsc::channel(AHEAD);
        let (ready, begun) = tokio::sync::oneshot::channel();
        let store = self.clone();
        let task = tokio::spawn(async move {
            let summary = write(&store, &at, ready, steps).await?;
            index::rebuild(&store.inner.db).await?;
            store.inner.wakes.tell(Wrote::anything());
            Ok(summary)
        });
        let mut import = Import { parts, task };
        match begun.await {
            Ok(()) => Ok(import),
            Err(_) => Err(import.ended().await),
        }
    }

    /// Counts and digests everything, as of one moment; reads all of it.
    pub async fn summary(&self) -> Result<Summary, StoreError> {
        let mut export = self.export().await?;
        while export.next().await?.is_some() {}
        Ok(export.summary())
    }
}

async fn read(
    store: &Store,
    begun: tokio::sync::oneshot::Sender<(i64, i64)>,
    parts: &mpsc::Sender<Result<Part, StoreError>>,
) -> Result<(), StoreError> {
    let mut session = store.inner.db.reader().await?;
    let mut tx = session.read().await?;
    let at = store.inner.db.at.to_string();
    let found = migration::found(&mut tx, &at).await?;
    let known = migration::known();
    match found.cmp(&known) {
        std::cmp::Ordering::Greater => return Err(StoreError::Newer { at, found, known }),
        std::cmp::Ordering::Less => return Err(StoreError::Older { at, found, known }),
        std::cmp::Ordering::Equal => {}
    }
    let head = tx.fetch_one(sql::HEAD, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
    if begun.send((found, head)).is_err() {
        return Ok(());
    }
    for table in EXPORTED {
        let mut after: Vec<Value> = Vec::new();
        loop {
            let args: Vec<Arg<'_>> = after.iter().map(arg).collect();
            let rows = tx.fetch(table.page(!after.is_empty()), &args).await?;
            let rows = rows.iter().map(|row| values(table, row)).collect::<Result<Vec<_>, _>>()?;
            let whole = rows.len() == PAGE;
            after = rows.last().map_or_else(Vec::new, |row| row[..table.key].to_vec());
            if !rows.is_empty() {
                let columns = table.columns.iter().map(|(name, _)| (*name).to_string()).collect();
                let part = Part { table: table.name.into(), columns, rows };
                if parts.send(Ok(part)).await.is_err() {
                    return Ok(());
                }
            }
            if !whole {
                break;
            }
        }
    }
    Ok(())
}

fn arg(value: &Value) -> Arg<'_> {
    match value {
        Value::Int(number) => Arg::Int(*number),
        Value::Text(text) => text.into(),
        Value::Null => Arg::Null,
    }
}

fn values(table: &Table, row: &Row) -> Result<Vec<Value>, StoreError> {
    let mut values = Vec::with_capacity(table.columns.len());
    for (at, (_, column)) in table.columns.iter().enumerate() {
        values.push(match column {
            Column::Int => Value::Int(row.int(at)?),
            Column::Text => Value::Text(row.text(at)?),
            Column::MaybeText => row.maybe(at)?.map_or(Value::Null, Value::Text),
        });
    }
    Ok(values)
}

async fn write(
    store: &Store,
    at: &str,
    ready: tokio::sync::oneshot::Sender<()>,
    mut steps: mpsc::Receiver<Step>,
) -> Result<Summary, StoreError> {
    let mut session = store.inner.db.writer().await?;
    let mut tx = session.write().await?;
    tx.run(sql::PATIENT, &[]).await?;
    let head = tx.fetch_one(sql::HEAD_LOCK, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
    let mut empty = head == 0;
    for table in EXPORTED.iter().filter(|table| table.name != "head") {
        empty &= tx.fetch_one(table.any(), &[]).await?.is_none();
    }
    if !empty {
        return Err(StoreError::NotEmpty { at: at.into() });
    }
    if ready.send(()).is_err() {
        return Err(StoreError::Closed);
    }
    let mut counting = Counting::default();
    while let Some(step) = steps.recv().await {
        match step {
            Step::Part(part) => {
                counting.add(&part);
                put(&mut tx, &part).await?;
            }
            Step::Finish(expected) => {
                let summary = counting.finish();
                let differs = expected.map(|expected| expected.differences(&summary));
                if let Some(differs) = differs.filter(|differs| !differs.is_empty()) {
                    return Err(StoreError::Broken { why: differs.join("; ") });
                }
                // Whoever opens it, should this end before they are made, makes them.
                tx.run(sql::INDEXED_PUT, &[0.into()]).await?;
                tx.commit().await?;
                return Ok(summary);
            }
        }
    }
    Err(StoreError::Broken { why: "it was given up".into() })
}

async fn put(tx: &mut Connection<'_>, part: &Part) -> Result<(), StoreError> {
    let broken = |why: String| StoreError::Broken { why };
    let Some(table) = Table::by_name(&part.table) else {
        return Err(broken(format!("there is no table {:?}", part.table)));
    };
    if !part.columns.iter().eq(table.columns.iter().map(|(name, _)| name)) {
        return Err(broken(format!("the columns of {} are {:?}", table.name, part.columns)));
    }
    for row in &part.rows {
        let fits = |(value, (_, column)): (&Value, &(&str, Column))| match value {
            Value::Int(_) => *column == Column::Int,
            Value::Text(_) => *column != Column::Int,
            Value::Null => *column == Column::MaybeText,
        };
        if row.len() != table.columns.len() || !row.iter().zip(table.columns).all(fits) {
            return Err(broken(format!("a row of {} has other values: {row:?}", table.name)));
        }
    }
    if table.name == "head" {
        // Its one row is there in every store.
        for row in &part.rows {
            tx.run(sql::HEAD_SET, &[arg(&row[1])]).await?;
        }
        return Ok(());
    }
    let mut rest = part.rows.as_slice();
    while !rest.is_empty() {
        let size = SIZES.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
        let (now, later) = rest.split_at(size);
        let args: Vec<Arg<'_>> = now.iter().flatten().map(arg).collect();
        match tx.run(table.insert(size), &args).await {
            Ok(_) => rest = later,
            Err(crate::db::DbError::Unique) => {
                return Err(broken(format!("{} holds a row twice", table.name)));
            }
            Err(crate::db::DbError::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given;
    use crate::sql::DERIVED;

    /// A table that somebody adds is either exported or said to be made of others; a column is never forgotten.
    #[tokio::test]
    async fn everything_that_is_kept_is_exported() {
        for given in given::each().await {
            let db = &given.db;
            migration::migrate(db).await.unwrap();
            let own = |name: &String| !name.starts_with("words") && !name.starts_with("sqlite_");
            let rows = db.fetch(sql::TABLE_NAMES, &[]).await.unwrap();
            for name in rows.iter().map(|row| row.text(0).unwrap()).filter(own) {
                let exported = Table::by_name(&name).is_some();
                assert!(
                    exported != DERIVED.contains(&name.as_str()),
                    "{name}: exported or derived?"
                );
            }
            let columns = migration::columns(db).await;
            for table in EXPORTED {
                let found =
                    columns.iter().filter(|line| line.split(' ').next() == Some(table.name));
                let generated = usize::from(table.name == "object");
                assert_eq!(found.count(), table.columns.len() + generated, "{}", table.name);
            }
        }
    }
}
