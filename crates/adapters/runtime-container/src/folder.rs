//! The folder of an instance's container, `data/run/c/ID`, and the folder of them all: names of files, and how a file
//! that matters is written. The program in the container sees nothing of it but single files that are meant for it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tow_names::{Digest, Id};

/// Folders that are being deleted; no id begins with a dot.
const TRASH: &str = ".trash-";

/// `data/run/c`.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

/// Whose containers these are: an id, and where the folder was when it was given. A copied data directory is another
/// platform, which must never take the first one's containers for its own.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    id: String,
    path: PathBuf,
}

impl Folders {
    /// Opens it; made where it is not there.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let root = root.canonicalize()?;
        for name in names(&root)? {
            if name.starts_with(TRASH) {
                let _ = std::fs::remove_dir_all(root.join(name));
            }
        }
        Ok(Self { root })
    }

    pub(crate) fn of(&self, id: &Id) -> Folder {
        Folder { path: self.root.join(id.as_str()) }
    }

    /// The instances that have a folder.
    pub(crate) fn ids(&self) -> io::Result<Vec<Id>> {
        Ok(names(&self.root)?.iter().filter_map(|name| Id::parse(name)).collect())
    }

    /// What every container of ours is labelled with.
    pub(crate) fn owner(&self) -> io::Result<String> {
        let path = self.root.join(".owner");
        if let Some(owner) = read::<Owner>(&path)?.filter(|owner| owner.path == self.root) {
            return Ok(owner.id);
        }
        let id = Digest::of(format!("{} {}", Id::fresh("c"), self.root.display()).as_bytes());
        let owner = Owner { id: id.hex()[..12].to_string(), path: self.root.clone() };
        write(&path, &serde_json::to_vec(&owner)?)?;
        Ok(owner.id)
    }

    /// Remembers an engine that was used, so that what is left there is found.
    pub(crate) fn remember(&self, socket: &Path) -> io::Result<()> {
        let mut known = self.engines()?;
        if known.iter().any(|known| known == socket) {
            return Ok(());
        }
        known.push(socket.into());
        write(&self.root.join(".engines"), &serde_json::to_vec(&known)?)
    }

    /// Every engine that was ever used.
    pub(crate) fn engines(&self) -> io::Result<Vec<PathBuf>> {
        Ok(read(&self.root.join(".engines"))?.unwrap_or_default())
    }

    /// Held while a pod's network is made, joined or taken away.
    pub(crate) fn lock_pod(&self, pod: &str) -> io::Result<File> {
        let path = self.root.join(format!(".pod-{pod}"));
        lock(&path, true)?.ok_or_else(|| io::Error::other("the lock was not given"))
    }

    /// The pod is gone, and so is its lock.
    pub(crate) fn forget_pod(&self, pod: &str) {
        let _ = std::fs::remove_file(self.root.join(format!(".pod-{pod}")));
    }

    /// Takes a folder away: first its name, so that half a folder never looks like an instance's.
    pub(crate) fn discard(&self, folder: &Folder) -> io::Result<()> {
        let trash = self.root.join(format!("{TRASH}{}", Id::fresh("c")));
        match std::fs::rename(&folder.path, &trash) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        std::fs::remove_dir_all(trash)
    }
}

/// `data/run/c/ID`.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// By its path.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// What is to run; its presence says that all the rest is there.
    pub(crate) fn order(&self) -> PathBuf {
        self.path.join("order.json")
    }

    /// How far it is; written by the role alone.
    pub(crate) fn now(&self) -> PathBuf {
        self.path.join("now.json")
    }

    /// Up to where its log was read.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log.json")
    }

    /// What it waits for, in words.
    pub(crate) fn waiting(&self) -> PathBuf {
        self.path.join("waiting")
    }

    /// The bytes of a file for inside.
    pub(crate) fn file(&self, number: usize) -> PathBuf {
        self.path.join("files").join(number.to_string())
    }

    /// Held by the role, so that there is never a second one.
    pub(crate) fn lock(&self) -> io::Result<Option<File>> {
        lock(&self.path.join("lock"), false)
    }
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn lock(path: &Path, wait: bool) -> io::Result<Option<File>> {
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

/// Reads a value; `None` where there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Replaces a file as a whole; it survives a power cut.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, true)
}

/// Replaces a file as a whole. `durable`: it survives a power cut.
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
    if durable { File::open(parent)?.sync_all() } else { Ok(()) }
}
