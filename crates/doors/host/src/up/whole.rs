//! Is the store's structure whole? Looked at beside a platform that is ready already: a large file takes its time, and
//! nobody waits for it. What was found is said loudly, and kept for the doctor.

use crate::data;
use tow_platform::{Layout, Location, StoreError};

/// Looks once. What a server's pages hold is the server's to check.
pub(super) async fn look(layout: Layout, at: Location) {
    if !matches!(at, Location::File(_)) {
        return;
    }
    let found = match tow_platform::damage(&at).await {
        Ok(found) => found,
        Err(StoreError::Damaged { why, .. }) => vec![why],
        Err(error) => {
            tracing::warn!(%error, "the store's structure could not be looked at");
            return;
        }
    };
    let path = layout.damage();
    if found.is_empty() {
        let _ = std::fs::remove_file(&path);
        return;
    }
    let found = found.join("; ");
    if let Err(error) = data::write_private(&path, &found) {
        tracing::warn!("the damage could not be written down: {}", error.detail());
    }
    tracing::error!(store = %at, %found, "the store is damaged");
    anstream::eprintln!("\nWARNING: the store {at} is damaged: {found}");
    anstream::eprintln!("  what is written from here on may be lost");
    anstream::eprintln!("  tow down, keep the file for a look, and tow restore the last backup\n");
}
