//! Who may act on the world just now, and the number that proves it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;

/// A lease as stored. `epoch` only grows; whoever acts with a lower one is refused by store, shim and gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// What is leased, such as `control`.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows by one each time the holder changes.
    pub epoch: i64,
    /// When it ends unless renewed.
    pub expires: Timestamp,
}

/// The proof that a write or an effect comes from the holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The lease's name.
    pub lease: String,
    /// Its epoch when it was taken.
    pub epoch: i64,
}
