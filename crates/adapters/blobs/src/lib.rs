//! Bytes by digest, in a folder: `ab/ab12…` named by the SHA-256 of what is inside. Knows nothing of what the bytes
//! mean, and nobody else writes below this folder.
//!
//! A blob comes to be by a rename within one file system, so that it is there whole or not at all.

mod dir;
mod incoming;

pub use dir::BlobDir;

use std::io::ErrorKind;
use tow_ports::PortError;

/// What the caller is told: a full disk and a missing right are refusals with a way on, the rest may pass.
fn failed(what: &str, error: &std::io::Error) -> PortError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            PortError::Refused(format!("the disk is full: {what}; free some space and try again"))
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            PortError::Refused(format!("{what}: {error}; look at the owner of the data directory"))
        }
        _ => PortError::Unavailable(format!("{what}: {error}")),
    }
}
