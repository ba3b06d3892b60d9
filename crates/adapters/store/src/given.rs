//! For this room's own tests: an empty database of each kind.

use crate::Location;
use crate::db::Db;

/// A database, and what keeps it there.
pub(crate) struct Given {
    pub(crate) db: Db,
    _file: Option<tempfile::TempDir>,
    _postgres: Option<tow_postgres::Database>,
}

pub(crate) async fn file() -> Given {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&Location::File(dir.path().join("tow.db"))).await.unwrap();
    Given { db, _file: Some(dir), _postgres: None }
}

/// One of each kind that this machine has.
pub(crate) async fn each() -> Vec<Given> {
    let mut all = vec![file().await];
    match tow_postgres::database() {
        Ok(database) => {
            let at = Location::parse(&database.url()).unwrap();
            let db = Db::open(&at).await.unwrap();
            all.push(Given { db, _file: None, _postgres: Some(database) });
        }
        Err(why) => println!("not run: on Postgres: {why}"),
    }
    all
}
