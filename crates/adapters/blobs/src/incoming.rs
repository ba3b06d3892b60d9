//! A blob on its way in: a file in `tmp/` that is locked while somebody fills it, and goes when that somebody does.

use crate::failed;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tow_names::Id;
use tow_ports::PortError;

/// Taken away when dropped, unless it was kept.
pub(crate) struct Incoming {
    pub(crate) file: File,
    path: PathBuf,
    kept: bool,
}

impl Incoming {
    /// A new file, locked. The lock tells another process's sweep that it is alive.
    pub(crate) fn begin(tmp: &Path) -> Result<Self, PortError> {
        // Between making and locking a sweep may take the file away: then another one is made.
        for _ in 0..100 {
            let path = tmp.join(Id::fresh("put").as_str());
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(|error| failed("nothing can be stored", &error))?;
            let incoming = Self { file, path, kept: false };
            let locked = flock(&incoming.file, FlockOperation::NonBlockingLockExclusive).is_ok();
            if locked && incoming.file.metadata().is_ok_and(|data| data.nlink() > 0) {
                return Ok(incoming);
            }
        }
        Err(PortError::Unavailable("no file could be made in the blobs' tmp folder".into()))
    }

    /// Makes it last and gives it its name; `dir` is on the same file system. Replaces what has the name: the same.
    pub(crate) fn keep(mut self, dir: &Path, name: &str) -> Result<(), PortError> {
        let error = |error: std::io::Error| failed("the blob could not be stored", &error);
        self.file.sync_all().map_err(error)?;
        rustix::fs::fchmod(&self.file, rustix::fs::Mode::from_raw_mode(0o400))
            .map_err(|errno| error(errno.into()))?;
        if !dir.is_dir() {
            match std::fs::create_dir(dir) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(error(e)),
                _ => {}
            }
        }
        std::fs::rename(&self.path, dir.join(name)).map_err(error)?;
        self.kept = true;
        sync_dir(dir).map_err(error)?;
        // The folder itself may be new, made by us or by somebody who died before this line.
        dir.parent().map_or(Ok(()), sync_dir).map_err(error)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Takes away what nobody is filling any more. Returns how many files went.
pub(crate) fn sweep(tmp: &Path) -> std::io::Result<usize> {
    let mut swept = 0;
    for entry in std::fs::read_dir(tmp)? {
        let path = entry?.path();
        let Ok(file) = File::open(&path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && std::fs::remove_file(&path).is_ok()
        {
            swept += 1;
        }
    }
    Ok(swept)
}

pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
