//! Values at rest: each sealed with a key of its own, which is sealed with a key from a file. Nobody else sees a key.
//!
//! XChaCha20-Poly1305, both times bound to the context the caller names, so that a sealed value moved to another place
//! does not open. Who can read both the key file and the store can read every value: keep their backups apart.

mod envelope;
mod keyfile;
mod keyring;
mod signing;

pub use keyfile::{KeyError, KeyFile};
