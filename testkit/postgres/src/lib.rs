//! A real Postgres for tests: the machine's own binaries, in a directory of its own, on a port of its own, for one test
//! process, and a fresh database for each test. Knows nothing of what is tested. Where there is no Postgres it says so.
//!
//! The server ends with the test process however that ends: a shell between the two waits for the end of a pipe.

mod server;

pub use server::Server;

use std::sync::{Arc, Mutex, PoisonError};

/// A database of its own. Gone when dropped.
#[derive(Debug)]
pub struct Database {
    server: Arc<Server>,
    name: String,
}

/// A fresh, empty database on this process's server. `Err`: why there is none, for `not run: WHY`.
pub fn database() -> Result<Database, String> {
    static SERVER: Mutex<Option<Result<Arc<Server>, String>>> = Mutex::new(None);
    let mut kept = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let server = kept.get_or_insert_with(|| Server::start().map(Arc::new)).clone()?;
    drop(kept);
    server.fresh(&[])
}

impl Database {
    /// How to reach it: `postgres://…`, with a password.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub const fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Asks or tells the database something; the answer as lines of fields.
    ///
    /// # Panics
    /// Where the database refuses: a mistake in the test.
    pub fn sql(&self, text: &str) -> String {
        self.server.sql(&self.name, text).expect("the test's own statement is a good one")
    }

    /// Ends all connections to it, as a server does that goes away.
    pub fn cut(&self) {
        self.server
            .sql(
                "postgres",
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                    self.name
                ),
            )
            .expect("connections can be ended");
    }

    /// From now on nobody can connect, or everybody again. Who is connected stays.
    pub fn admit(&self, everybody: bool) {
        let text = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {everybody}", self.name);
        self.server.sql("postgres", &text).expect("a database can be closed");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What is left goes with the server.
        let _ =
            self.server.sql("postgres", &format!("DROP DATABASE IF EXISTS {} (FORCE)", self.name));
    }
}
