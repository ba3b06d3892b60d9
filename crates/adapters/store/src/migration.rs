//! The schema, as a list of steps that only grows: a step, once released, is never changed, does nothing the second
//! time, and leaves a schema that the binary before it can still write. Each runs in its own transaction.

use crate::{StoreError, sql};
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use std::path::Path;

/// One step.
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// All of them, in order, numbered from 1 without gaps.
pub(crate) const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, name: "first", sql: include_str!("migrations/0001_first.sql") }];

/// Brings the schema up to date. Changes nothing in a file that is not ours or that a newer binary wrote.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| StoreError::from_sqlx(&error, path);
    let tables: Vec<(String,)> =
        sqlx::query_as(sql::TABLES).fetch_all(&mut *connection).await.map_err(failed)?;
    if !tables.is_empty() && !tables.iter().any(|(name,)| name == "migration") {
        return Err(StoreError::NotOurs {
            path: path.to_path_buf(),
            why: format!("it holds tables of something else, such as {:?}", tables[0].0),
        });
    }
    let known = MIGRATIONS.last().map_or(0, |migration| migration.number);
    let found = if tables.is_empty() {
        0
    } else {
        let (found,): (i64,) = sqlx::query_as(sql::MIGRATION_LAST)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        found
    };
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > found) {
        let mut transaction = connection.begin_with(sql::BEGIN).await.map_err(failed)?;
        transaction.execute(sql::MIGRATIONS_MADE).await.map_err(failed)?;
        transaction.execute(sqlx::raw_sql(migration.sql)).await.map_err(failed)?;
        sqlx::query(sql::MIGRATION_DONE)
            .bind(migration.number)
            .bind(migration.name)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions as _, query};

    async fn database() -> SqliteConnection {
        SqliteConnectOptions::new().in_memory(true).connect().await.unwrap()
    }

    #[test]
    fn the_list_is_numbered_without_gaps() {
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, number)| migration.number == number));
    }

    #[tokio::test]
    async fn every_step_does_nothing_the_second_time() {
        let mut database = database().await;
        let path = Path::new("tow.db");
        migrate(&mut database, path).await.unwrap();
        migrate(&mut database, path).await.unwrap();
        for migration in MIGRATIONS {
            database.execute(sqlx::raw_sql(migration.sql)).await.unwrap();
        }
        let (head,): (i64,) = sqlx::query_as(sql::HEAD).fetch_one(&mut database).await.unwrap();
        assert_eq!(head, 0);
    }

    #[tokio::test]
    async fn a_newer_schema_and_a_foreign_one_are_refused() {
        let path = Path::new("tow.db");
        let mut newer = database().await;
        migrate(&mut newer, path).await.unwrap();
        query(sql::MIGRATION_DONE).bind(99).bind("later").execute(&mut newer).await.unwrap();
        let known = MIGRATIONS.len() as i64;
        let refused = migrate(&mut newer, path).await.unwrap_err();
        assert_eq!(refused, StoreError::Newer { path: path.into(), found: 99, known });

        let mut foreign = database().await;
        query("CREATE TABLE songs (id)").execute(&mut foreign).await.unwrap();
        let refused = migrate(&mut foreign, path).await.unwrap_err();
        assert_eq!(refused.code(), "store/not-a-store");
        let tables: Vec<(String,)> =
            sqlx::query_as(sql::TABLES).fetch_all(&mut foreign).await.unwrap();
        assert_eq!(tables, [("songs".to_string(),)], "and it is left as it was");
    }
}
