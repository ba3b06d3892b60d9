//! A folder of backups: which there are, when the next one is due, which may go. The files are the only memory.

use crate::{ArchiveError, Backup, Manifest, write};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use tow_names::{Duration, Timestamp};

const BEFORE: &str = "towpath-";
const BEHIND: &str = ".backup.tar";

/// The usual name of a backup made then: `towpath-2026-11-22T14-30-00Z.backup.tar`. Sorts by time.
pub fn file_name(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds: String = text.chars().take(19).map(|c| if c == ':' { '-' } else { c }).collect();
    format!("{BEFORE}{seconds}Z{BEHIND}")
}

/// A folder.
#[derive(Debug, Clone)]
pub struct Shelf {
    dir: PathBuf,
}

/// A file that begins as a backup does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnShelf {
    /// Where it is.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// What it says of itself; nothing else was checked.
    pub manifest: Manifest,
    /// It has the usual name: nobody named it by hand, so it may go when newer ones are there.
    pub usual: bool,
}

impl Shelf {
    /// Of this folder; nothing is made.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Makes the folder, for its user's eyes only, where it is not there.
    pub fn make(&self) -> Result<(), ArchiveError> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|error| ArchiveError::io(&self.dir, &error))
    }

    /// Where a backup of that moment goes.
    pub fn place(&self, at: Timestamp) -> PathBuf {
        self.dir.join(file_name(at))
    }

    /// All backups, whatever their names, the newest first; and the files with usual names that can't be read as one.
    /// Others are no business of ours.
    pub fn list(&self) -> Result<(Vec<OnShelf>, Vec<ArchiveError>), ArchiveError> {
        let io = |error: std::io::Error| ArchiveError::io(&self.dir, &error);
        let (mut found, mut strange) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(&self.dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let usual = usual(&path, BEHIND);
            let half = path.extension().is_some_and(|end| end == "part");
            // Opened to be read from its beginning: a pipe would wait for whoever writes.
            let Some(meta) = path.metadata().ok().filter(|meta| meta.is_file() && !half) else {
                continue;
            };
            match Backup::open(&path) {
                Ok(backup) => {
                    let (size, manifest) = (meta.len(), backup.manifest().clone());
                    found.push(OnShelf { path, size, manifest, usual });
                }
                Err(error) if usual => strange.push(error),
                Err(_) => {}
            }
        }
        found.sort_by(|a, b| (b.manifest.made_at, &b.path).cmp(&(a.manifest.made_at, &a.path)));
        Ok((found, strange))
    }

    /// When the next one is due: `every` after the newest; at once where there is none, or where the newest is said to
    /// be of the future.
    pub fn due(&self, every: Duration, now: Timestamp) -> Result<Timestamp, ArchiveError> {
        if !self.dir.exists() {
            return Ok(now);
        }
        let (found, _) = self.list()?;
        let mut times = found.iter().filter(|backup| backup.usual).map(|b| b.manifest.made_at);
        let last = times.find(|at| *at <= now);
        Ok(last.map_or(now, |at| at.plus(every)))
    }

    /// What [`Self::prune`] takes away: of the backups with usual names all but the newest `keep` (at least one), and
    /// `.part` files that nobody writes any more. What was named by hand, or does not read as a backup of ours, is left;
    /// so is what says that it was made after `now`, and it is not one of those kept either: where the clock was wrong
    /// once, it would take the place of what is made since.
    pub fn prunable(&self, keep: usize, now: Timestamp) -> Result<Vec<PathBuf>, ArchiveError> {
        let mut paths = self.old(keep, now)?;
        paths.extend(self.halves()?.into_iter().map(|(path, _held)| path));
        Ok(paths)
    }

    /// Takes it away, the oldest first: whoever dies over it leaves the newest, without a gap. Which went.
    pub fn prune(&self, keep: usize, now: Timestamp) -> Result<Vec<PathBuf>, ArchiveError> {
        let mut gone = Vec::new();
        for path in self.old(keep, now)? {
            remove(&path)?;
            gone.push(path);
        }
        // Held until they are gone, so that nobody goes on writing one of them.
        for (path, _held) in self.halves()? {
            remove(&path)?;
            gone.push(path);
        }
        if let Some(one) = gone.first() {
            write::sync_dir(one).map_err(|error| ArchiveError::io(&self.dir, &error))?;
        }
        Ok(gone)
    }

    fn old(&self, keep: usize, now: Timestamp) -> Result<Vec<PathBuf>, ArchiveError> {
        let mut found = self.list()?.0;
        found.retain(|backup| backup.usual && backup.manifest.made_at <= now);
        Ok(found.into_iter().skip(keep.max(1)).map(|old| old.path).rev().collect())
    }

    /// Those that nobody writes, each with its lock.
    fn halves(&self) -> Result<Vec<(PathBuf, File)>, ArchiveError> {
        let io = |error: std::io::Error| ArchiveError::io(&self.dir, &error);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let Some(file) = usual(&path, ".backup.tar.part").then(|| File::open(&path)) else {
                continue;
            };
            let Ok(file) = file else { continue };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                found.push((path, file));
            }
        }
        Ok(found)
    }
}

fn usual(path: &Path, behind: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(BEFORE) && name.ends_with(behind)
}

fn remove(path: &Path) -> Result<(), ArchiveError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ArchiveError::io(path, &error))
        }
        _ => Ok(()),
    }
}
