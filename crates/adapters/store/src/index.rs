//! What declared objects are found by, kept beside them: made of a manifest before the transaction, written inside it in
//! a handful of statements however many objects there are. Which rows there are is said in `model`; nothing is decided
//! here.

use crate::db::{Connection, Db, DbError};
use crate::{StoreError, sql};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::Manifest;
use tow_model::facts::{self, Fact};

/// Grows when the rows of an object are made in another way: everything is then made anew at the next start.
const VERSION: i64 = 1;
/// Objects whose rows are made in one transaction when everything is made anew.
const AT_ONCE: i64 = 500;
/// Rows in one argument.
const ROWS: usize = 20_000;

/// What is made of one object.
#[derive(Debug, Default)]
pub(crate) struct Derived {
    rows: Vec<Fact>,
    relations: Vec<(&'static str, String)>,
    words: String,
}

impl Derived {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let document = serde_json::to_value(manifest).unwrap_or_default();
        let mut rows = facts::rows(&document);
        // These are columns of the object itself.
        rows.retain(|row| !matches!(row.key.as_str(), "kind" | "metadata.namespace"));
        let relations = tow_model::relations(manifest);
        let words: Vec<String> = facts::words(&document).into_iter().collect();
        Self {
            rows,
            relations: relations.into_iter().map(|(r, to)| (r.as_str(), to.to_string())).collect(),
            words: words.join(" "),
        }
    }
}

/// Writes what objects are found by; what was there of them before is taken away first.
pub(crate) async fn write(
    tx: &mut Connection<'_>,
    objects: &[(i64, &Derived)],
) -> Result<(), DbError> {
    let names: BTreeSet<&str> = objects
        .iter()
        .flat_map(|(_, derived)| derived.rows.iter().map(|row| row.key.as_str()))
        .collect();
    let keys = keys(tx, &names).await?;
    let mut rows = Vec::new();
    for (id, derived) in objects {
        for row in &derived.rows {
            let key = keys.get(&row.key).copied().unwrap_or_default();
            rows.push((id, key, &row.value, row.form.number(), &row.shown));
        }
    }
    for some in rows.chunks(ROWS) {
        tx.run(sql::SEARCH_PUT, &[text(&some)?.into()]).await?;
    }
    let relations: Vec<(i64, &str, &str)> = objects
        .iter()
        .flat_map(|(id, derived)| {
            derived.relations.iter().map(move |(kind, target)| (*id, *kind, target.as_str()))
        })
        .collect();
    for some in relations.chunks(ROWS) {
        tx.run(sql::RELATION_PUT, &[text(&some)?.into()]).await?;
    }
    let words: Vec<(i64, &str)> =
        objects.iter().map(|(id, derived)| (*id, derived.words.as_str())).collect();
    for some in words.chunks(ROWS / 20) {
        let some = text(&some)?;
        tx.run(sql::WORDS_PUT, &[some.as_str().into()]).await?;
        tx.run(sql::SAID_PUT, &[some.into()]).await?;
    }
    Ok(())
}

/// Takes away what these objects were found by.
pub(crate) async fn remove(tx: &mut Connection<'_>, ids: &[i64]) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = text(&ids)?;
    for statement in [sql::SEARCH_REMOVE, sql::RELATION_REMOVE, sql::WORDS_REMOVE, sql::SAID_REMOVE]
    {
        tx.run(statement, &[ids.as_str().into()]).await?;
    }
    Ok(())
}

/// The numbers of these paths; those that nobody used before get one.
async fn keys(
    tx: &mut Connection<'_>,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, i64>, DbError> {
    let mut found = BTreeMap::new();
    if names.is_empty() {
        return Ok(found);
    }
    for row in tx.fetch(sql::KEYS_FIND, &[text(names)?.into()]).await? {
        found.insert(row.text(1)?, row.int(0)?);
    }
    let fresh: Vec<&str> =
        names.iter().copied().filter(|name| !found.contains_key(*name)).collect();
    if !fresh.is_empty() {
        for row in tx.fetch(sql::KEYS_MAKE, &[text(&fresh)?.into()]).await? {
            found.insert(row.text(1)?, row.int(0)?);
        }
    }
    Ok(found)
}

/// Makes everything anew where another way of making it was used before, or none. Broken off, it begins again.
pub(crate) async fn refresh(db: &Db) -> Result<(), StoreError> {
    let found = db.fetch_one(sql::INDEXED, &[]).await?;
    if found.map_or(Ok(0), |row| row.int(0))? == VERSION {
        return Ok(());
    }
    rebuild(db).await
}

/// Makes everything anew of the objects that are there.
pub(crate) async fn rebuild(db: &Db) -> Result<(), StoreError> {
    let mut session = db.writer().await?;
    let mut tx = session.write().await?;
    tx.fetch(sql::HEAD_LOCK, &[]).await?;
    for statement in [sql::SEARCH_EMPTY, sql::RELATION_EMPTY, sql::WORDS_EMPTY] {
        tx.run(statement, &[]).await?;
    }
    tx.run(sql::SAID_EMPTY, &[]).await?;
    let mut last = 0;
    loop {
        let found = tx.fetch(sql::OBJECTS_FROM, &[last.into(), AT_ONCE.into()]).await?;
        let mut made = Vec::with_capacity(found.len());
        for row in &found {
            last = row.int(0)?;
            match serde_json::from_str::<Manifest>(row.str(1)?) {
                Ok(manifest) => made.push((last, Derived::of(&manifest))),
                // It stays readable by its name; whoever reads it is told what is wrong with it.
                Err(error) => tracing::warn!(object = last, %error, "an object can't be indexed"),
            }
        }
        let made: Vec<(i64, &Derived)> = made.iter().map(|(id, derived)| (*id, derived)).collect();
        write(&mut tx, &made).await?;
        if (found.len() as i64) < AT_ONCE {
            break;
        }
    }
    tx.run(sql::INDEXED_PUT, &[VERSION.into()]).await?;
    tx.commit().await?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> Result<String, DbError> {
    serde_json::to_string(value)
        .map_err(|error| DbError::Store(StoreError::Statement(error.to_string())))
}
