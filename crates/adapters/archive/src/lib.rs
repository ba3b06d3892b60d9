//! The backup file: one tar that `tar` itself can list, with a digest for each entry and one seal over all of them, made
//! from a passphrase. Writes it whole or not at all; reads it only after every byte has been checked. Knows nothing of
//! what the tables mean, of the store, or of where blobs and keys lie.
//!
//! In this order: `manifest.json` (what it is, how the passphrase becomes a key), `check` (tells a wrong passphrase at
//! once), `keys` (sealed), `store/TABLE/N.jsonl`, `blobs/HEX`, `summary.json`, `contents.sha256` (as `sha256sum -c`
//! reads it) and `seal`, an HMAC over the contents. Headers have no freedom: each byte of the file is either the one that
//! must be there or covered by a digest, so that a changed byte is found wherever it is.

mod error;
mod frame;
mod key;
mod manifest;
mod name;
mod read;
mod shelf;
mod write;

pub use error::ArchiveError;
pub use key::{Cost, Passphrase};
pub use manifest::{FORMAT, Manifest, Summary, TableSummary};
pub use name::Name;
pub use read::{Backup, Item, Verified};
pub use shelf::{OnShelf, Shelf, file_name};
pub use write::Writer;
