//! The schema, as a list of steps that only grows: a step, once released, is never changed, does nothing the second
//! time, and leaves a schema that the binary before it can still write. Each runs in its own transaction, and has one
//! text a database.

use crate::db::{Both, Connection, Db};
use crate::{StoreError, sql};

/// One step.
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) text: Both,
}

/// All of them, in order, numbered from 1 without gaps.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "first",
        text: Both {
            sqlite: include_str!("migrations/0001_first.sqlite.sql"),
            postgres: include_str!("migrations/0001_first.postgres.sql"),
        },
    },
    Migration {
        number: 2,
        name: "catalog",
        text: Both {
            sqlite: include_str!("migrations/0002_catalog.sqlite.sql"),
            postgres: include_str!("migrations/0002_catalog.postgres.sql"),
        },
    },
];

/// The highest step this binary knows.
pub(crate) const fn known() -> i64 {
    MIGRATIONS[MIGRATIONS.len() - 1].number
}

/// Brings the schema up to date. Changes nothing in a database that is not ours or that a newer binary wrote.
pub(crate) async fn migrate(db: &Db) -> Result<(), StoreError> {
    migrate_to(db, known()).await
}

pub(crate) async fn migrate_to(db: &Db, last: i64) -> Result<(), StoreError> {
    let at = || db.at.to_string();
    loop {
        let mut session = db.writer().await?;
        let mut tx = session.write().await?;
        let found = found(&mut tx, &at()).await?;
        if found > known() {
            return Err(StoreError::Newer { at: at(), found, known: known() });
        }
        let next = MIGRATIONS.iter().find(|step| step.number > found && step.number <= last);
        let Some(step) = next else { return Ok(()) };
        tx.fetch(sql::MIGRATION_LOCK, &[]).await?;
        if self::found(&mut tx, &at()).await? != found {
            // Another server was faster.
            continue;
        }
        tx.run(sql::MIGRATIONS_MADE, &[]).await?;
        tx.script(step.text).await?;
        tx.run(sql::MIGRATION_DONE, &[step.number.into(), step.name.into()]).await?;
        tx.commit().await?;
    }
}

/// The number of the last step that was made; 0 in an empty database.
pub(crate) async fn found(tx: &mut Connection<'_>, at: &str) -> Result<i64, StoreError> {
    let tables = tx.fetch(sql::TABLE_NAMES, &[]).await?;
    let names: Vec<String> = tables.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?;
    if names.iter().any(|name| name == "migration") {
        let row = tx.fetch_one(sql::MIGRATION_LAST, &[]).await?;
        return Ok(row.map_or(Ok(0), |row| row.int(0))?);
    }
    match names.first() {
        None => Ok(0),
        Some(name) => {
            let why = format!("it holds tables of something else, such as {name:?}");
            Err(StoreError::NotOurs { at: at.into(), why })
        }
    }
}

#[cfg(test)]
/// Tables and columns in the same words on both; what full text stands on is each database's own.
const COLUMNS: Both = Both {
    sqlite: "SELECT m.name, c.name, CASE WHEN c.type IN ('BIGINT', 'INTEGER') THEN 'int' ELSE lower(c.type) END, \
             CASE c.\"notnull\" WHEN 1 THEN 'NO' ELSE 'YES' END \
             FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'words%' AND m.name NOT LIKE 'sqlite%'",
    postgres: "SELECT table_name::text, column_name::text, \
               CASE data_type WHEN 'bigint' THEN 'int' ELSE data_type END, is_nullable::text \
               FROM information_schema.columns \
               WHERE table_schema = current_schema() AND table_name <> 'words'",
};

/// A line a column, for tests.
#[cfg(test)]
pub(crate) async fn columns(db: &Db) -> std::collections::BTreeSet<String> {
    let rows = db.fetch(COLUMNS, &[]).await.unwrap();
    let text = |row: &crate::db::Row, at| row.text(at).unwrap();
    rows.iter().map(|row| (0..4).map(|at| text(row, at) + " ").collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given;
    use std::collections::BTreeSet;

    const INDEXES: Both = Both {
        sqlite: "SELECT coalesce(sql, name) FROM sqlite_master WHERE type = 'index'",
        postgres: "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    };

    async fn run(db: &Db, text: &'static str) {
        let mut session = db.writer().await.unwrap();
        let mut tx = session.write().await.unwrap();
        tx.run(text, &[]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn indexes(db: &Db) -> BTreeSet<String> {
        let rows = db.fetch(INDEXES, &[]).await.unwrap();
        rows.iter().map(|row| row.text(0).unwrap()).collect()
    }

    #[test]
    fn the_list_is_numbered_without_gaps() {
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, number)| migration.number == number));
    }

    #[tokio::test]
    async fn every_step_does_nothing_the_second_time() {
        for given in given::each().await {
            let db = &given.db;
            migrate(db).await.unwrap();
            migrate(db).await.unwrap();
            let (columns_before, indexes_before) = (columns(db).await, indexes(db).await);
            let mut session = db.writer().await.unwrap();
            let mut tx = session.write().await.unwrap();
            // The last one: the others are not made again once a later one was.
            tx.script(MIGRATIONS.last().unwrap().text).await.unwrap();
            let head = tx.fetch_one(sql::HEAD, &[]).await.unwrap().unwrap();
            assert_eq!(head.int(0).unwrap(), 0);
            tx.commit().await.unwrap();
            assert_eq!(columns(db).await, columns_before);
            assert_eq!(indexes(db).await, indexes_before);
        }
    }

    /// A store that grew with its platform, with rows in it, is like one that was made today.
    #[tokio::test]
    async fn step_by_step_and_at_once_come_to_the_same() {
        let (grown, fresh) = (given::each().await, given::each().await);
        let mut schemas = Vec::new();
        for (grown, fresh) in grown.iter().zip(&fresh) {
            let (grown, fresh) = (&grown.db, &fresh.db);
            migrate(fresh).await.unwrap();
            migrate_to(grown, 1).await.unwrap();
            run(
                grown,
                "INSERT INTO object (kind, namespace, name, uid, version, generation, body, created_at, updated_at, \
                 created_by) VALUES ('group', 'default', 'a', 'u', 3, 2, '{}', 5, 6, 'ann')",
            )
            .await;
            run(grown, "INSERT INTO record VALUES ('plan', 'p', 's', 1, 0, 4, 0, '{}')").await;
            for number in 2..=known() {
                migrate_to(grown, number).await.unwrap();
            }
            assert_eq!(columns(grown).await, columns(fresh).await, "{}", grown.at);
            assert_eq!(indexes(grown).await, indexes(fresh).await, "{}", grown.at);
            let kept = "SELECT name, version, created_by FROM object";
            let kept = grown.fetch_one(kept, &[]).await.unwrap().unwrap();
            let kept = (kept.text(0).unwrap(), kept.int(1).unwrap(), kept.text(2).unwrap());
            assert_eq!(kept, ("a".into(), 3, "ann".into()));
            let kept = grown.fetch_one("SELECT version FROM record", &[]).await.unwrap().unwrap();
            assert_eq!(kept.int(0).unwrap(), 4);
            schemas.push(columns(fresh).await);
        }
        assert!(schemas.iter().all(|schema| schema == &schemas[0]), "{schemas:#?}");
    }

    /// As two servers do that start together.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_make_it_once() {
        for given in given::each().await {
            let at = given.db.at.clone();
            let mut tasks = Vec::new();
            for _ in 0..4 {
                let at = at.clone();
                tasks.push(tokio::spawn(async move {
                    let db = Db::open(&at).await.unwrap();
                    migrate(&db).await.unwrap();
                    db.close().await;
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            let made = given.db.fetch("SELECT number FROM migration", &[]).await.unwrap();
            assert_eq!(made.len() as i64, known());
        }
    }

    #[tokio::test]
    async fn a_newer_schema_and_a_foreign_one_are_refused() {
        for given in given::each().await {
            let newer = &given.db;
            migrate(newer).await.unwrap();
            run(newer, "INSERT INTO migration (number, name) VALUES (99, 'later')").await;
            let refused = migrate(newer).await.unwrap_err();
            let at = newer.at.to_string();
            assert_eq!(refused, StoreError::Newer { at, found: 99, known: known() });
        }
        for given in given::each().await {
            let foreign = &given.db;
            run(foreign, "CREATE TABLE songs (id BIGINT)").await;
            assert_eq!(migrate(foreign).await.unwrap_err().code(), "store/not-a-store");
            let tables = foreign.fetch(sql::TABLE_NAMES, &[]).await.unwrap();
            let tables: Vec<_> = tables.iter().map(|row| row.text(0).unwrap()).collect();
            assert_eq!(tables, ["songs"], "and it is left as it was");
        }
    }
}
