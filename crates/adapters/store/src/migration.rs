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
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "first",
    text: Both {
        sqlite: include_str!("migrations/0001_first.sqlite.sql"),
        postgres: include_str!("migrations/0001_first.postgres.sql"),
    },
}];

/// The highest step this binary knows.
pub(crate) fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
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
mod tests {
    use super::*;
    use crate::Location;

    async fn database() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::File(dir.path().join("tow.db"))).await.unwrap();
        (dir, db)
    }

    async fn run(db: &Db, text: &'static str) {
        let mut session = db.writer().await.unwrap();
        let mut tx = session.write().await.unwrap();
        tx.run(text, &[]).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[test]
    fn the_list_is_numbered_without_gaps() {
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, number)| migration.number == number));
    }

    #[tokio::test]
    async fn every_step_does_nothing_the_second_time() {
        let (_dir, db) = database().await;
        migrate(&db).await.unwrap();
        migrate(&db).await.unwrap();
        let mut session = db.writer().await.unwrap();
        let mut tx = session.write().await.unwrap();
        for migration in MIGRATIONS {
            tx.script(migration.text).await.unwrap();
        }
        let head = tx.fetch_one(sql::HEAD, &[]).await.unwrap().unwrap();
        assert_eq!(head.int(0).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_newer_schema_and_a_foreign_one_are_refused() {
        let (_dir, newer) = database().await;
        migrate(&newer).await.unwrap();
        run(&newer, "INSERT INTO migration (number, name) VALUES (99, 'later')").await;
        let refused = migrate(&newer).await.unwrap_err();
        assert_eq!(
            refused,
            StoreError::Newer { at: newer.at.to_string(), found: 99, known: known() }
        );

        let (_dir, foreign) = database().await;
        run(&foreign, "CREATE TABLE songs (id BIGINT)").await;
        assert_eq!(migrate(&foreign).await.unwrap_err().code(), "store/not-a-store");
        let tables = foreign.fetch(sql::TABLE_NAMES, &[]).await.unwrap();
        let tables: Vec<_> = tables.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(tables, ["songs"], "and it is left as it was");
    }
}
