//! The folder of blobs: put, find, take away.

use crate::failed;
use crate::incoming::{self, Incoming};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use std::io::Write as _;
use std::path::PathBuf;
use tow_names::{Digest, Hasher};
use tow_ports::{Blobs, ByteStream, PortError};

/// Blobs in a folder of this machine. Several processes may use the same folder.
#[derive(Debug, Clone)]
pub struct BlobDir {
    root: PathBuf,
}

impl BlobDir {
    /// Makes the folder (mode 0700) where it is not there, and takes away what broken-off puts left.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, PortError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let root = dir.into();
        let tmp = root.join("tmp");
        let what = || format!("{} can't be used for blobs", root.display());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&tmp)
            .map_err(|error| failed(&what(), &error))?;
        let swept = incoming::sweep(&tmp).map_err(|error| failed(&what(), &error))?;
        if swept > 0 {
            tracing::info!(swept, "took away blobs that were broken off");
        }
        Ok(Self { root })
    }

    /// All blobs with their sizes in bytes, in the order of their digests. What is being put meanwhile may be missing.
    pub async fn all(&self) -> Result<Vec<(Digest, u64)>, PortError> {
        let root = self.root.clone();
        blocking(move || {
            let error = |error: std::io::Error| failed("the blobs can't be listed", &error);
            let mut all = Vec::new();
            for folder in std::fs::read_dir(&root).map_err(error)? {
                let folder = folder.map_err(error)?;
                if folder.file_name().len() != 2 {
                    continue;
                }
                for blob in std::fs::read_dir(folder.path()).map_err(error)? {
                    let blob = blob.map_err(error)?;
                    let hex = blob.file_name().to_string_lossy().into_owned();
                    // One that goes meanwhile is not there.
                    if let (Ok(digest), Ok(meta)) =
                        (format!("sha256:{hex}").parse(), blob.metadata())
                    {
                        all.push((digest, meta.len()));
                    }
                }
            }
            all.sort();
            Ok(all)
        })
        .await
    }

    fn place(&self, digest: &Digest) -> (PathBuf, String) {
        (self.root.join(&digest.hex()[..2]), digest.hex().to_string())
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        let (dir, name) = self.place(digest);
        dir.join(name)
    }
}

/// File work off the async threads. A panic there is passed on as an answer, not as a panic here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PortError::Unavailable(format!("the blobs' worker broke off: {error}")))?
}

/// What is written at once: large enough that the hand-over to the worker costs little.
const CHUNK: usize = 1 << 20;

struct Filling {
    incoming: Incoming,
    hasher: Hasher,
    size: u64,
}

impl Filling {
    fn write(mut self, pieces: &[Bytes]) -> Result<Self, PortError> {
        for piece in pieces {
            self.hasher.update(piece);
            self.incoming
                .file
                .write_all(piece)
                .map_err(|error| failed("the blob could not be stored", &error))?;
        }
        Ok(self)
    }
}

#[async_trait]
impl Blobs for BlobDir {
    async fn put(&self, mut bytes: ByteStream, limit: u64) -> Result<(Digest, u64), PortError> {
        let tmp = self.root.join("tmp");
        let mut filling = blocking(move || {
            Ok(Filling { incoming: Incoming::begin(&tmp)?, hasher: Hasher::default(), size: 0 })
        })
        .await?;
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut gathered = 0;
        loop {
            let next = bytes.next().await.transpose()?;
            let end = next.is_none();
            if let Some(piece) = next {
                filling.size = filling.size.saturating_add(piece.len() as u64);
                if filling.size > limit {
                    return Err(PortError::Refused(format!(
                        "it is larger than the {limit} bytes that are allowed; nothing was kept"
                    )));
                }
                gathered += piece.len();
                pieces.push(piece);
            }
            if !pieces.is_empty() && (end || gathered >= CHUNK) {
                let now = std::mem::take(&mut pieces);
                gathered = 0;
                filling = blocking(move || filling.write(&now)).await?;
            }
            if end {
                break;
            }
        }
        let Filling { incoming, hasher, size } = filling;
        let digest = hasher.finish();
        let (dir, name) = self.place(&digest);
        blocking(move || incoming.keep(&dir, &name)).await?;
        Ok((digest, size))
    }

    async fn path(&self, digest: &Digest) -> Result<PathBuf, PortError> {
        if self.has(digest).await? {
            Ok(self.file(digest))
        } else {
            Err(PortError::NotThere(format!("the blob {digest}")))
        }
    }

    async fn has(&self, digest: &Digest) -> Result<bool, PortError> {
        let file = self.file(digest);
        blocking(move || {
            file.try_exists().map_err(|error| failed("the blob can't be looked up", &error))
        })
        .await
    }

    async fn remove(&self, digest: &Digest) -> Result<(), PortError> {
        let file = self.file(digest);
        blocking(move || {
            match std::fs::remove_file(&file) {
                Ok(()) => file.parent().map_or(Ok(()), incoming::sync_dir),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            }
            .map_err(|error| failed("the blob can't be taken away", &error))
        })
        .await
    }
}
