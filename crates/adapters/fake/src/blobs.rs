//! The port `blobs`, in memory; a file is made only for who asks for a path.

use crate::World;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use tow_names::Digest;
use tow_ports::{Blobs, ByteStream, PortError};

/// The blobs of a world.
#[derive(Debug, Clone)]
pub struct FakeBlobs {
    world: Arc<World>,
}

impl FakeBlobs {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Blobs for FakeBlobs {
    async fn put(&self, mut bytes: ByteStream, limit: u64) -> Result<(Digest, u64), PortError> {
        let mut whole = Vec::new();
        while let Some(piece) = bytes.next().await.transpose()? {
            whole.extend_from_slice(&piece);
            if whole.len() as u64 > limit {
                return Err(PortError::Refused(format!(
                    "it is larger than the {limit} bytes that are allowed; nothing was kept"
                )));
            }
        }
        let (digest, size) = (Digest::of(&whole), whole.len() as u64);
        self.world.call("blobs.put", |state, _| {
            state.blobs.insert(digest.clone(), Bytes::from(whole));
            Ok((digest, size))
        })
    }

    async fn path(&self, digest: &Digest) -> Result<PathBuf, PortError> {
        let bytes = self.world.ask("blobs.path", |state, _| {
            let bytes = state.blobs.get(digest).cloned();
            bytes.ok_or_else(|| PortError::NotThere(format!("the blob {digest}")))
        })?;
        let path = self.world.files.path().join(digest.hex());
        std::fs::write(&path, bytes).map_err(|error| PortError::Unavailable(error.to_string()))?;
        Ok(path)
    }

    async fn has(&self, digest: &Digest) -> Result<bool, PortError> {
        self.world.ask("blobs.has", |state, _| Ok(state.blobs.contains_key(digest)))
    }

    async fn remove(&self, digest: &Digest) -> Result<(), PortError> {
        self.world.call("blobs.remove", |state, _| {
            state.blobs.remove(digest);
            Ok(())
        })
    }
}
