//! The only SQL: declared objects, produced records, events, leases, cursors and replies kept for repeated requests.
//!
//! Writes are values: a [`Batch`] says what must hold and what becomes, and [`Store::commit`] does all of it or
//! nothing. There is no transaction outside this room. It knows neither HTTP nor roles, and decides nothing.
//!
//! A store is a file (SQLite) or a Postgres database: a [`Location`]. Both hold the same and answer the same; what the two
//! say differently is in `db`, and every test of what a store promises runs on both.
//!
//! * [`Store::wake`] and [`Store::commits`] tell of writes, here and by other servers on the same database;
//!   [`Store::revision`] says whether what was made of the store is still good; [`Store::tail`] follows the log.
//! * [`Store::export`] hands out everything as of one moment, part by part; [`Store::import`] takes it into an empty
//!   store of either database, all or nothing, and makes anew what is made of other tables. [`Store::summary`] counts and
//!   digests a store, and [`Summary::differences`] compares two. A backup and a copy are made of these.

mod audit;
mod batch;
mod canonical;
mod commit;
mod db;
mod dump;
mod error;
mod examine;
mod export;
mod file;
#[cfg(test)]
mod given;
mod index;
mod lease;
mod location;
mod many;
mod migration;
mod open;
mod place;
mod query;
mod read;
mod sql;
mod tail;
mod wake;

pub use audit::{Search, Searched};
pub use batch::{Author, Batch, Idempotent};
pub use canonical::canonical;
pub use commit::Committed;
pub use error::{CommitError, StoreError};
pub use examine::Schema;
pub use export::{Counted, EXPORTED_SCHEMA, Export, Import, Part, Summary, Value};
#[cfg(target_os = "linux")]
pub use file::network as network_filesystem;
pub use location::Location;
pub use many::Places;
pub use open::Store;
pub use place::{PlaceFacts, environment_ref};
pub use query::{Found, Page};
pub use read::{Find, ObjectRow, Replay, Row};
pub use tail::Tail;
pub use tow_record::{Event, Fence, Lease, NewEvent, Record};
pub use wake::{Topic, Wake, Wrote};
