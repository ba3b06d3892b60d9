//! What a backup says of itself: first what it is, last how much there was.

use crate::Cost;
use serde::{Deserialize, Serialize};
use tow_names::{Digest, Timestamp};

/// The format's number. A file with a larger one is refused.
pub const FORMAT: u32 = 1;

/// What tells our files from others.
pub(crate) const WHAT: &str = "towpath-backup";

/// The first entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `towpath-backup`.
    pub what: String,
    /// [`FORMAT`].
    pub format: u32,
    /// The version of `tow` that made it.
    pub made_by: String,
    /// As of when.
    pub made_at: Timestamp,
    /// The number of the store's schema.
    pub schema: i64,
    /// The last event that is in it.
    pub head: i64,
    /// How the passphrase becomes a key.
    pub cost: Cost,
}

impl Manifest {
    /// Of a backup that is made now.
    pub fn new(made_by: &str, made_at: Timestamp, schema: i64, head: i64, cost: Cost) -> Self {
        let (what, made_by) = (WHAT.to_string(), made_by.to_string());
        Self { what, format: FORMAT, made_by, made_at, schema, head, cost }
    }
}

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// What the values of a row are, in this order.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// Over all its values, as the store counts them: two stores with the same rows have the same.
    pub digest: Digest,
}

/// How much there was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Each table, in the order of writing.
    pub tables: Vec<TableSummary>,
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
}

impl Summary {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}
