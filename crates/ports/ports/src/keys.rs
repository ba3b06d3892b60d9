//! Sealing of values at rest, and signing of what the platform says of itself.

use crate::PortError;
use tow_record::{Sealed, Signature};

/// Holds the keys; nobody else sees them. Fast and local, so not async.
pub trait Keys: Send + Sync {
    /// Encrypts `plain`, bound to `context` (such as `config component:default/web@development KEY`): it opens only
    /// under the same context. Two seals of one value differ; their digests are equal.
    fn seal(&self, context: &str, plain: &[u8]) -> Result<Sealed, PortError>;
    /// Decrypts; [`PortError::Refused`] where value, key or context is not the one sealed.
    fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, PortError>;
    /// A keyed digest for events: equal for equal values, useless to guess from.
    fn digest(&self, plain: &[u8]) -> String;
    /// Signs with the newest signing key.
    fn sign(&self, message: &[u8]) -> Result<Signature, PortError>;
    /// Was it made over this message by the key it names? [`PortError::NotThere`] where that key is not known here.
    fn verify(&self, message: &[u8], signature: &Signature) -> Result<bool, PortError>;
    /// The public half of a signing key, base64; none where the key is not known here.
    fn public(&self, key: &str) -> Option<String>;
}
