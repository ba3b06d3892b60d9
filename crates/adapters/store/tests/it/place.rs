//! A place for a store, empty and of its own.

use std::sync::Arc;
use tow_ports::{Crossings, NoCrossings};
use tow_store::{Location, Store, StoreError};

/// Where a test keeps its store.
pub(crate) enum Place {
    File(tempfile::TempDir),
    Postgres(tow_postgres::Database),
}

/// Opens a store, told to nobody.
pub(crate) async fn open(at: &Location) -> Result<Store, StoreError> {
    Store::open(at, Arc::new(NoCrossings)).await
}

impl Place {
    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    /// None: the machine has no Postgres, and the test says so.
    #[expect(clippy::print_stdout, reason = "what can't run is said")]
    pub(crate) fn postgres() -> Option<Self> {
        match tow_postgres::database() {
            Ok(database) => Some(Self::Postgres(database)),
            Err(why) => {
                println!("not run: {why}");
                None
            }
        }
    }

    /// Another one of the same kind.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::File(_) => Self::file(),
            Self::Postgres(_) => Self::postgres().unwrap(),
        }
    }

    pub(crate) fn at(&self) -> Location {
        match self {
            Self::File(dir) => Location::File(dir.path().join("tow.db")),
            Self::Postgres(database) => Location::parse(&database.url()).unwrap(),
        }
    }

    /// The folder of a file.
    pub(crate) fn dir(&self) -> &std::path::Path {
        match self {
            Self::File(dir) => dir.path(),
            Self::Postgres(_) => panic!("this test is about a file"),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        open(&self.at()).await.unwrap()
    }

    pub(crate) async fn open_with(&self, crossings: Arc<dyn Crossings>) -> Store {
        Store::open(&self.at(), crossings).await.unwrap()
    }
}
