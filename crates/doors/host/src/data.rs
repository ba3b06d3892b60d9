//! The data directory: made, locked, and asked who holds it.

use crate::{Global, error::HostError};
use rustix::fs::{FlockOperation, Mode, flock};
use std::{
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};
use tow_client::PlatformFile;
use tow_platform::{Layout, Location};

/// The data directory that is meant.
pub(crate) fn layout(global: &Global) -> Result<Layout, HostError> {
    let data = global.data.clone().ok_or_else(|| {
        HostError::new("host/no-home", "no home directory, so no data directory either")
            .hint("say --data DIR or TOW_DATA")
            .exits(2)
    })?;
    let absolute = std::path::absolute(&data).map_err(|e| unusable(&data, &e))?;
    Ok(Layout::new(absolute))
}

/// Makes what is missing; only this user may look inside.
pub(crate) fn make(layout: &Layout) -> Result<(), HostError> {
    for dir in layout.directories() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|e| unusable(&dir, &e))?;
    }
    let root = layout.root();
    let mode = root.metadata().map_err(|e| unusable(root, &e))?.permissions().mode();
    if mode & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(root, private).map_err(|e| unusable(root, &e))?;
    }
    Ok(())
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> HostError {
    HostError::new("host/data-unusable", format!("{}: {why}", path.display()))
        .untouched("everything")
        .hint("choose another place with --data DIR, or make this one writable")
}

/// The data directory's own name, the same as long as the directory is there: under it a platform holds its lease.
pub(crate) fn identity(layout: &Layout) -> Result<String, HostError> {
    let path = layout.identity();
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if !kept.trim().is_empty() {
        return Ok(kept.trim().to_string());
    }
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fresh = format!("{node} {}", tow_names::Id::fresh("home"));
    write_private(&path, &fresh)?;
    Ok(fresh)
}

/// Which database holds everything of this directory, without its password; none: a file in it does.
pub(crate) fn database(layout: &Layout) -> Option<String> {
    let kept = std::fs::read_to_string(layout.database()).ok()?;
    Some(kept.trim().to_string()).filter(|kept| !kept.is_empty())
}

/// Writes down where everything is kept, so that nobody starts on another store by mistake.
pub(crate) fn note_database(layout: &Layout, store: &Location) -> Result<(), HostError> {
    let path = layout.database();
    if *store != Location::File(layout.store()) {
        let text = store.to_string();
        return if database(layout).as_ref() == Some(&text) {
            Ok(())
        } else {
            write_private(&path, &text)
        };
    }
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(unusable(&path, &e)),
        _ => Ok(()),
    }
}

/// The lock of a data directory: whoever holds it is the control plane, and whoever held it before is dead.
pub(crate) struct DataLock {
    _file: File,
}

/// Takes the lock; `None`: another process has it.
pub(crate) fn lock(layout: &Layout) -> Result<Option<DataLock>, HostError> {
    locked(&layout.lock())
}

/// Takes the lock that a file is; `None`: another process has it.
pub(crate) fn locked(path: &Path) -> Result<Option<DataLock>, HostError> {
    let mode = Mode::RUSR | Mode::WUSR;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(mode.as_raw_mode())
        .open(path)
        .map_err(|e| unusable(path, &e))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(DataLock { _file: file })),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(unusable(path, &e)),
    }
}

/// Who holds the lock of a file, without ever touching the lock: whoever is about to take it must not find it taken.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    holders(path).first().copied()
}

/// The same, with those that only hold a file of the same number on another device.
fn holders(path: &Path) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(meta) = path.metadata() else { return Vec::new() };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let of_line = |line: &str| -> Option<u32> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (kind, pid, file) = (*fields.get(1)?, *fields.get(4)?, *fields.get(5)?);
        let inode = file.rsplit(':').next()?.parse::<u64>().ok()?;
        (kind == "FLOCK" && inode == meta.ino()).then(|| pid.parse().ok())?
    };
    locks.lines().filter_map(of_line).collect()
}

/// What the platform that runs says of itself; none where none does, or where it is not ready. One that was killed left
/// its words, and another process may have its number by now.
pub(crate) fn running(layout: &Layout) -> Option<PlatformFile> {
    let file = platform_file(layout)?;
    let is_there = if cfg!(target_os = "linux") {
        holders(&layout.lock()).contains(&file.pid)
    } else {
        matches!(lock(layout), Ok(None))
    };
    is_there.then_some(file)
}

/// What the running platform says of itself.
pub(crate) fn platform_file(layout: &Layout) -> Option<PlatformFile> {
    let text = std::fs::read_to_string(layout.platform_file()).ok()?;
    serde_json::from_str(&text).ok()
}

/// Writes a file whole or not at all, for this user's eyes only.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), HostError> {
    use std::io::Write as _;
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| unusable(path, &e))
}
