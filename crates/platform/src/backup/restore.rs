//! A backup becomes a data directory: beside its place first, then in one step there. Killed anywhere, there is nothing
//! or all.

use super::error::{BackupError, off};
use super::place::Beside;
use super::rows::import;
use futures::StreamExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tow_archive::{Backup, Item, Manifest, Passphrase, Summary, Verified};
use tow_names::Digest;
use tow_ports::{Blobs as _, PortError};
use tow_store::Location;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// The data directory.
    pub data: PathBuf,
    /// Where the store is; shows no password.
    pub store: String,
    /// The database held just these rows before: nothing was written there.
    pub there_already: bool,
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// What was in it.
    pub summary: Summary,
}

/// Opens a backup and checks every byte of it.
pub(crate) async fn verified(
    file: &Path,
    passphrase: &Passphrase,
) -> Result<Arc<Verified>, BackupError> {
    let (file, passphrase) = (file.to_path_buf(), passphrase.clone());
    let verified = off(move || {
        let backup = Backup::open(&file)?;
        let known = tow_store::Schema::newest();
        let manifest = backup.manifest();
        if manifest.schema > known {
            return Err(BackupError::new(
                "backup/newer",
                format!(
                    "{} was made by a newer Towpath ({}): its store has schema {}, this binary knows {known}",
                    file.display(),
                    manifest.made_by,
                    manifest.schema
                ),
            )
            .hint("restore it with that version of tow, or a later one"));
        }
        Ok(backup.verify(&passphrase)?)
    })
    .await?;
    Ok(Arc::new(verified))
}

/// Restores into a directory that is empty or not there, and a database that is empty; without a database the store is
/// a file in the directory.
pub async fn restore(
    file: &Path,
    passphrase: &Passphrase,
    data: &Path,
    database: Option<&Location>,
) -> Result<Restored, BackupError> {
    let backup = verified(file, passphrase).await?;
    let place = data.to_path_buf();
    let beside = off(move || Beside::begin(&place)).await?;
    let there_already = fill(&backup, beside.layout(), database).await?;
    let noted = database.filter(|at| matches!(at, Location::Postgres(_))).cloned();
    off(move || {
        if let Some(database) = &noted {
            beside.note(database)?;
        }
        beside.place()
    })
    .await?;
    let store = match database {
        Some(location) => location.to_string(),
        None => crate::Layout::new(data).store().display().to_string(),
    };
    Ok(Restored {
        data: data.to_path_buf(),
        store,
        there_already,
        manifest: backup.manifest().clone(),
        summary: backup.summary().clone(),
    })
}

/// Everything of a backup into a data directory that is made already. The store comes last: where it is a server's,
/// its commit is the last that can fail. True: it held just these rows before.
pub(crate) async fn fill(
    backup: &Arc<Verified>,
    layout: &crate::Layout,
    database: Option<&Location>,
) -> Result<bool, BackupError> {
    let (keys, whole) = (layout.keys(), backup.clone());
    off(move || {
        let text = std::str::from_utf8(whole.keys()).map_err(|e| {
            BackupError::new("backup/changed", format!("the keys are no text: {e}"))
        })?;
        Ok(tow_secrets::KeyFile::import(&keys, text)?)
    })
    .await?;
    let blobs = tow_blobs::BlobDir::open(layout.blobs())?;
    let wanted: Vec<(Digest, Item)> =
        backup.blobs().map(|(digest, item)| (digest.clone(), item.clone())).collect();
    for (digest, item) in wanted {
        let put = blobs.put(pieces(backup.clone(), item.clone()), item.size).await?;
        if put.0 != digest {
            let detail = format!("the blob {digest} changed while it was read");
            return Err(BackupError::new("backup/changed", detail));
        }
    }
    let own = Location::File(layout.store());
    import(backup, database.unwrap_or(&own)).await
}

/// An entry's bytes as they are read, a piece at a time.
fn pieces(backup: Arc<Verified>, item: Item) -> tow_ports::ByteStream {
    let (tell, told) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, PortError>>(4);
    tokio::task::spawn_blocking(move || {
        let mut hand = Hand { tell: &tell };
        if let Err(error) = backup.copy(&item, &mut hand) {
            // Nobody listens where the other side gave up first.
            let _ = tell.blocking_send(Err(PortError::Unavailable(error.to_string())));
        }
    });
    futures::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) })
        .boxed()
}

/// Hands written bytes on.
struct Hand<'a> {
    tell: &'a tokio::sync::mpsc::Sender<Result<bytes::Bytes, PortError>>,
}

impl std::io::Write for Hand<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.tell
            .blocking_send(Ok(bytes::Bytes::copy_from_slice(bytes)))
            .map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
