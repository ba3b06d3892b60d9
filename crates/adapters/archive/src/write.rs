//! Writes a backup: into a file with `.part` behind its name, which gets its name when every byte of it is on the disk.

use crate::frame::{END, header, padding};
use crate::key::{Keys, hex};
use crate::manifest::{Manifest, Summary, TableSummary};
use crate::{ArchiveError, Name, Passphrase};
use rustix::fs::{FlockOperation, RenameFlags, flock};
use sha2::Digest as _;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tow_names::Digest;
use zeroize::Zeroizing;

/// A backup on its way. What was written goes when this is dropped before [`Writer::finish`].
pub struct Writer {
    file: BufWriter<File>,
    part: PathBuf,
    target: PathBuf,
    keys: Keys,
    contents: String,
    summary: Summary,
    parts: u32,
    size: u64,
    kept: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Where a backup is written before it has its name.
pub(crate) fn part(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

impl Writer {
    /// Begins one that will be called `target`, for its user's eyes only. `platform_keys` are sealed with the
    /// passphrase. Slow: a key is made from the passphrase.
    pub fn begin(
        target: &Path,
        manifest: &Manifest,
        passphrase: &Passphrase,
        platform_keys: &[u8],
    ) -> Result<Self, ArchiveError> {
        passphrase.strong()?;
        if target.symlink_metadata().is_ok() {
            return Err(ArchiveError::Exists { path: target.to_path_buf() });
        }
        let keys = Keys::derive(passphrase, &manifest.cost).ok_or_else(|| ArchiveError::File {
            path: target.to_path_buf(),
            why: "there is not enough memory to make a key from the passphrase".into(),
        })?;
        let part = part(target);
        let file = claim(&part)?;
        let mut writer = Self {
            file: BufWriter::with_capacity(1 << 20, file),
            part,
            target: target.to_path_buf(),
            keys,
            contents: String::new(),
            summary: Summary::default(),
            parts: 0,
            size: 0,
            kept: false,
        };
        let text = serde_json::to_vec_pretty(manifest).map_err(|e| writer.refused(&e))?;
        let sealed = writer.keys.seal(&text, platform_keys)?;
        let check = writer.keys.tag("check", &text);
        writer.entry(&Name::Manifest, &text)?;
        writer.entry(&Name::Check, check.as_bytes())?;
        writer.entry(&Name::Keys, &sealed)?;
        Ok(writer)
    }

    /// Rows of a table, each a line that ends with a line feed; in pieces of a few megabytes.
    pub fn rows(&mut self, table: &str, lines: &[u8]) -> Result<(), ArchiveError> {
        if !crate::name::table_name(table) {
            return Err(self.refused(&format!("{table:?} is not the name of a table")));
        }
        self.parts += 1;
        self.entry(&Name::Rows { table: table.into(), part: self.parts }, lines)
    }

    /// A blob of `size` bytes. Its bytes must have that digest.
    pub fn blob(
        &mut self,
        digest: &Digest,
        size: u64,
        bytes: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        let name = Name::Blob(digest.clone());
        self.write(&header(&name.to_string(), size))?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = bytes.read(&mut buffer[..most]).map_err(|e| self.refused(&e))?;
            if read == 0 {
                return Err(self.refused(&format!("the blob {digest} is shorter than it was")));
            }
            hasher.update(&buffer[..read]);
            self.write(&buffer[..read])?;
            left -= read as u64;
        }
        if hex(&hasher.finalize()) != digest.hex() {
            return Err(self.refused(&format!("the blob {digest} is damaged")));
        }
        self.pad(size)?;
        self.note(&name, digest.hex());
        self.summary.blobs += 1;
        self.summary.blob_bytes += size;
        Ok(())
    }

    /// Seals it, makes it last and gives it its name. Its size in bytes and what is in it.
    pub fn finish(mut self, tables: Vec<TableSummary>) -> Result<(u64, Summary), ArchiveError> {
        self.summary.tables = tables;
        let text = serde_json::to_vec_pretty(&self.summary).map_err(|e| self.refused(&e))?;
        self.entry(&Name::Summary, &text)?;
        let contents = std::mem::take(&mut self.contents);
        let seal = self.keys.tag("contents", contents.as_bytes());
        self.entry(&Name::Contents, contents.as_bytes())?;
        self.entry(&Name::Seal, seal.as_bytes())?;
        self.write(&[0; END as usize])?;
        let io = |error: &std::io::Error| ArchiveError::io(&self.target, error);
        self.file.flush().map_err(|e| io(&e))?;
        self.file.get_ref().sync_all().map_err(|e| io(&e))?;
        give_name(&self.part, &self.target).map_err(|e| io(&e))?;
        self.kept = true;
        sync_dir(&self.target).map_err(|e| io(&e))?;
        Ok((self.size, std::mem::take(&mut self.summary)))
    }

    fn entry(&mut self, name: &Name, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.write(&header(&name.to_string(), bytes.len() as u64))?;
        self.write(bytes)?;
        self.pad(bytes.len() as u64)?;
        self.note(name, &hex(&sha2::Sha256::digest(bytes)));
        Ok(())
    }

    fn note(&mut self, name: &Name, digest: &str) {
        use std::fmt::Write as _;
        let _ = writeln!(self.contents, "{digest}  {name}");
    }

    fn pad(&mut self, size: u64) -> Result<(), ArchiveError> {
        self.write(&vec![0; usize::try_from(padding(size)).unwrap_or(0)])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| ArchiveError::io(&self.target, &error))
    }

    fn refused(&self, why: &dyn std::fmt::Display) -> ArchiveError {
        ArchiveError::File { path: self.target.clone(), why: why.to_string() }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// The `.part` file, locked. One that nobody locks was left by somebody who died: it is emptied and taken.
fn claim(part: &Path) -> Result<File, ArchiveError> {
    let io = |error: std::io::Error| ArchiveError::io(part, &error);
    // Between opening and locking, its owner may have taken it away or given it its name: then again.
    for _ in 0..100 {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(part)
            .map_err(io)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            break;
        }
        let own = file.metadata().map_err(io)?;
        if part.metadata().is_ok_and(|there| there.ino() == own.ino() && there.dev() == own.dev()) {
            file.set_len(0).map_err(io)?;
            return Ok(file);
        }
    }
    Err(ArchiveError::Busy { path: part.to_path_buf() })
}

/// Renames, unless somebody has that name by now. Where the file system can't say so, the look from before counts.
fn give_name(part: &Path, target: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, part, CWD, target, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => std::fs::rename(part, target),
        other => other.map_err(Into::into),
    }
}

/// The folder of `path`, on the disk.
pub(crate) fn sync_dir(path: &Path) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// Keys as they are handed over: wiped when they go.
pub(crate) type Plain = Zeroizing<Vec<u8>>;
