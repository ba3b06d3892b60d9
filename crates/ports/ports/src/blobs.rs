//! Bytes by digest.

use crate::PortError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::path::PathBuf;
use tow_names::Digest;

/// Pieces of a blob, or why it broke off.
pub type ByteStream = BoxStream<'static, Result<Bytes, PortError>>;

/// Keeps bytes under the digest of what they are.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a stream; returns its digest and size. The same bytes twice are kept once. Durable when it returns.
    /// A stream that breaks off, or is longer than `limit` bytes, leaves nothing behind.
    async fn put(&self, bytes: ByteStream, limit: u64) -> Result<(Digest, u64), PortError>;
    /// A file of this machine that holds the blob, to read only; [`PortError::NotThere`] without it.
    async fn path(&self, digest: &Digest) -> Result<PathBuf, PortError>;
    /// Is it there?
    async fn has(&self, digest: &Digest) -> Result<bool, PortError>;
    /// Takes it away; no error where it was not there.
    async fn remove(&self, digest: &Digest) -> Result<(), PortError>;
}
