//! The folder that is restored into: made beside its place, and moved there when it is whole.

use super::error::{BackupError, file};
use crate::Layout;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A data directory on its way. Taken away when dropped, unless it was put into its place.
pub(crate) struct Beside {
    target: PathBuf,
    layout: Layout,
    /// Held: another restore, and whoever asks, sees that somebody works here.
    _lock: File,
    placed: bool,
}

impl Beside {
    /// `TARGET.restoring`, empty. What a restore left there that died is cleared.
    pub(crate) fn begin(target: &Path) -> Result<Self, BackupError> {
        let target = std::path::absolute(target).map_err(|e| file(target, &e))?;
        if !is_empty(&target)? {
            return Err(BackupError::new(
                "backup/not-empty",
                format!("{} is not empty", target.display()),
            )
            .hint("name a directory that is empty or not there yet: --data DIR"));
        }
        let Some(name) = target.file_name() else {
            return Err(BackupError::new("backup/file", "a root directory can't be restored into"));
        };
        let mut beside = name.to_owned();
        beside.push(".restoring");
        let root = target.with_file_name(beside);
        let make = |dir: &Path| {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| file(dir, &e))
        };
        make(&root)?;
        let layout = Layout::new(&root);
        let lock = lock(&layout.lock())?;
        for entry in std::fs::read_dir(&root).map_err(|e| file(&root, &e))? {
            let path = entry.map_err(|e| file(&root, &e))?.path();
            if path == layout.lock() {
                continue;
            }
            let gone = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            gone.map_err(|e| file(&path, &e))?;
        }
        for dir in layout.directories() {
            make(&dir)?;
        }
        Ok(Self { target, layout, _lock: lock, placed: false })
    }

    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes down that everything is kept in this database, so that nobody starts on another one by mistake.
    pub(crate) fn note(&self, database: &tow_store::Location) -> Result<(), BackupError> {
        let path = self.layout.database();
        let write = || {
            let mut options = OpenOptions::new();
            let mut noted =
                options.create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            std::io::Write::write_all(&mut noted, database.to_string().as_bytes())?;
            noted.sync_all()
        };
        write().map_err(|e| file(&path, &e))
    }

    /// Everything is on the disk, then it gets its name: one step.
    pub(crate) fn place(mut self) -> Result<(), BackupError> {
        let root = self.layout.root().to_path_buf();
        let sync = |path: &Path| File::open(path).and_then(|dir| dir.sync_all());
        for dir in self.layout.directories() {
            sync(&dir).map_err(|e| file(&dir, &e))?;
        }
        // An empty directory gives way, one that got something meanwhile does not.
        std::fs::rename(&root, &self.target).map_err(|e| file(&self.target, &e))?;
        self.placed = true;
        if let Some(parent) = self.target.parent() {
            sync(parent).map_err(|e| file(parent, &e))?;
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_dir_all(self.layout.root());
        }
    }
}

fn lock(path: &Path) -> Result<File, BackupError> {
    let held = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| file(path, &e))?;
    flock(&held, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        BackupError::new("backup/busy", format!("another restore works in {}", path.display()))
            .hint("wait for it, or name another directory")
    })?;
    Ok(held)
}

fn is_empty(dir: &Path) -> Result<bool, BackupError> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(file(dir, &error)),
    }
}
