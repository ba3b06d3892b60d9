//! Backup and restore: store, blobs and keys become one file, and one file becomes a data directory. Here because only
//! this room sees all three and the file's format; each does its own part. What is on disk is whole or not there.

mod copy;
mod drill;
mod error;
mod make;
mod place;
mod restore;
mod rows;
mod schedule;

pub use copy::{Copied, copy};
pub use drill::{Drilled, drill};
pub use error::BackupError;
pub use make::{Made, make};
pub use restore::{Restored, restore};
pub use schedule::{Schedule, keep_going};
pub use tow_archive::{
    ArchiveError, Backup, Manifest, OnShelf, Passphrase, Shelf, Summary, file_name,
};
