//! An instance's folder: what its files are called, and how a file that matters is written. No meaning of any file is
//! known here.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tow_names::Id;

/// Where the program tells its shim things.
const NOTIFY: &str = "notify.sock";

/// `DIR/ID`.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of an instance.
    pub(crate) fn of(dir: &Path, id: &Id) -> Self {
        Self { path: dir.join(id.as_str()) }
    }

    /// A folder by its path.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Is there such a folder?
    pub(crate) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// What is run, as the shim reads it; there once everything else was prepared.
    pub(crate) fn spec(&self) -> PathBuf {
        self.path.join("spec.json")
    }

    /// Written by the shim alone, while it holds the lock.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// One line for each start and each end, each synced.
    pub(crate) fn attempts(&self) -> PathBuf {
        self.path.join("attempts.jsonl")
    }

    /// The program's working folder.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// The log's segments.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The program's standard output.
    pub(crate) fn out(&self) -> PathBuf {
        self.path.join("out.fifo")
    }

    /// The program's standard error.
    pub(crate) fn err(&self) -> PathBuf {
        self.path.join("err.fifo")
    }

    /// A name for everything of the platform that this folder belongs to, where names are the machine's.
    pub(crate) fn platform(&self) -> Option<String> {
        platform(self.path.parent()?)
    }

    /// Files that are put at absolute paths of a sandbox.
    pub(crate) fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// A sandbox's word of how its program ended.
    pub(crate) fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    /// What the shim itself had to say when it broke.
    pub(crate) fn words(&self) -> PathBuf {
        self.path.join("shim.err")
    }

    /// The socket's path, short however long the folder's is: through an open descriptor of the folder, which the
    /// caller keeps while it uses the path.
    pub(crate) fn socket(&self) -> io::Result<(File, PathBuf)> {
        self.named("ctl.sock")
    }

    /// Where a sandbox's first process takes commands, in the same way.
    pub(crate) fn inner_socket(&self) -> io::Result<(File, PathBuf)> {
        self.named("inner.sock")
    }

    /// Where the program tells its shim things, by its whole path: the program is told this name.
    pub(crate) fn notify(&self) -> PathBuf {
        self.path.join(NOTIFY)
    }

    /// The same, to be bound.
    pub(crate) fn notify_socket(&self) -> io::Result<(File, PathBuf)> {
        self.named(NOTIFY)
    }

    /// What sockets the shim keeps for the program are called.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.path.join("sockets.json")
    }

    fn named(&self, name: &str) -> io::Result<(File, PathBuf)> {
        let dir = File::open(&self.path)?;
        let path = if cfg!(target_os = "linux") {
            PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
        } else {
            self.path.join(name)
        };
        Ok((dir, path))
    }

    /// Takes the shim's lock, if nobody has it: who holds it is the only one to act on the instance.
    pub(crate) fn lock(&self) -> io::Result<Option<File>> {
        take(&self.path.join("lock"), false)
    }

    /// Does a shim live?
    pub(crate) fn is_locked(&self) -> io::Result<bool> {
        match self.lock() {
            Ok(held) => Ok(held.is_none()),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// Waits for the lock of the preparation, so that two never unpack over each other.
    pub(crate) fn lock_preparation(&self) -> io::Result<File> {
        take(&self.path.join("prepare.lock"), true)?
            .ok_or_else(|| io::Error::other("the lock was not given"))
    }
}

/// A name for the platform whose instances are in this folder: no other folder of the machine has it.
pub(crate) fn platform(dir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = dir.metadata().ok()?;
    Some(format!("towpath-{:x}-{:x}", meta.dev(), meta.ino()))
}

/// Opens and locks; `None` where it is held by another. The lock goes with the file.
fn take(path: &Path, wait: bool) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let how =
        if wait { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    loop {
        match flock(&file, how) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// Replaces a file as a whole: whoever reads it sees the old bytes or the new. `durable`: it survives a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let parent = path.parent().unwrap_or(Path::new("."));
    let beside = parent.join(format!(".{name}.new"));
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    std::fs::rename(&beside, path)?;
    if durable { sync_dir(parent) } else { Ok(()) }
}

/// Makes renames and new names in a folder survive a power cut.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
