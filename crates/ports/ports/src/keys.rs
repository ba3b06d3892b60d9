//! Sealing of values at rest.

use crate::PortError;
use tow_record::Sealed;

/// Holds the keys; nobody else sees them. Fast and local, so not async.
pub trait Keys: Send + Sync {
    /// Encrypts `plain`, bound to `context` (such as `config component:default/web@development KEY`): it opens only
    /// under the same context. Two seals of one value differ; their digests are equal.
    fn seal(&self, context: &str, plain: &[u8]) -> Result<Sealed, PortError>;
    /// Decrypts; [`PortError::Refused`] where value, key or context is not the one sealed.
    fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, PortError>;
    /// A keyed digest for events: equal for equal values, useless to guess from.
    fn digest(&self, plain: &[u8]) -> String;
}
