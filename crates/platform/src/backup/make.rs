//! A backup, made while the platform is up or down. First the store as of one moment, then the blobs: a blob is put
//! before anything refers to it, and taken away long after nothing does, so whatever the rows speak of is there.

use super::error::{BackupError, off};
use super::rows::Lines;
use crate::{Layout, SystemClock};
use std::path::{Path, PathBuf};
use tow_archive::{Cost, Manifest, Passphrase, Summary, Writer};
use tow_names::{Digest, Timestamp};
use tow_ports::Clock as _;
use tow_store::{Location, Store};

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Made {
    /// Where it is.
    pub file: PathBuf,
    /// In bytes.
    pub size: u64,
    /// As of when.
    pub made_at: Timestamp,
    /// The last event in it.
    pub head: i64,
    /// How much is in it.
    pub summary: Summary,
    /// Blobs that were damaged on the disk and are not in it.
    pub damaged: Vec<Digest>,
}

/// Makes one.
pub async fn make(
    layout: &Layout,
    store: &Location,
    target: &Path,
    passphrase: &Passphrase,
) -> Result<Made, BackupError> {
    passphrase.strong()?;
    let keys = tow_secrets::KeyFile::export(&layout.keys())?.ok_or_else(|| {
        BackupError::new(
            "host/no-data",
            format!("there is no platform in {}", layout.root().display()),
        )
        .hint("say --data DIR, or tow up first")
    })?;
    let store = Store::look(store).await?;
    let made = with(&store, layout, target, passphrase, keys).await;
    store.close().await;
    made
}

async fn with(
    store: &Store,
    layout: &Layout,
    target: &Path,
    passphrase: &Passphrase,
    keys: zeroize::Zeroizing<String>,
) -> Result<Made, BackupError> {
    let made_at = SystemClock.now();
    // The moment of the backup: what is written from here on is not in it.
    let export = store.export().await?;
    let (schema, head) = (export.schema(), export.head());
    let manifest = Manifest::new(env!("CARGO_PKG_VERSION"), made_at, schema, head, Cost::fresh()?);
    let mut rows = Lines::of(export);
    let (path, passphrase) = (target.to_path_buf(), passphrase.clone());
    let mut writer =
        off(move || Ok(Writer::begin(&path, &manifest, &passphrase, keys.as_bytes())?)).await?;
    while let Some((table, lines)) = rows.next().await? {
        writer = off(move || {
            writer.rows(&table, &lines)?;
            Ok(writer)
        })
        .await?;
    }
    let tables = rows.tables();
    let mut damaged = Vec::new();
    if layout.blobs().is_dir() {
        let blobs = tow_blobs::BlobDir::open(layout.blobs())?;
        for (digest, _) in blobs.all().await? {
            let path = tow_ports::Blobs::path(&blobs, &digest).await?;
            let kept;
            (writer, kept) = off(move || {
                let kept = blob(&mut writer, &digest, &path)?;
                Ok((writer, if kept { None } else { Some(digest) }))
            })
            .await?;
            damaged.extend(kept);
        }
    }
    let (size, summary) = off(move || Ok(writer.finish(tables)?)).await?;
    Ok(Made { file: target.to_path_buf(), size, made_at, head, summary, damaged })
}

/// One blob. False: its bytes are not what its name says, and it was left out. Read twice, because a half can't be
/// taken back out of the file.
fn blob(writer: &mut Writer, digest: &Digest, path: &Path) -> Result<bool, BackupError> {
    use std::io::{Read as _, Seek as _};
    let failed = |error: std::io::Error| super::error::file(path, &error);
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        // Taken away meanwhile, because nothing referred to it for a day.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(error)),
    };
    let mut hasher = tow_names::Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
    if hasher.finish() != *digest {
        return Ok(false);
    }
    file.rewind().map_err(failed)?;
    writer.blob(digest, size, &mut file)?;
    Ok(true)
}
