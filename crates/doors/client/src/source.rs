//! A folder becomes a source archive: a tar that is the same for the same content, whoever packs it and whenever.
//!
//! Sorted paths, no times, no owners, only two modes (644 and 755); `.gitignore` and `.towignore` are respected, with
//! or without a repository around; what looks like a secret is refused, never quietly left out. May not talk to a
//! server: what is packed is handed to whoever uploads it.

mod commit;
mod error;
mod pick;
mod secret;

pub use commit::{commit_of, repository_of};
pub use error::PackError;

use pick::{Kind, Pick};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use tow_names::{Digest, Tally};

/// How large a folder may be where nothing else is said: 512 MiB of file content.
pub const SIZE_LIMIT: u64 = 512 * 1024 * 1024;

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Of the archive.
    pub digest: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// How many files and links are in it.
    pub files: usize,
}

/// Packs a folder of at most [`SIZE_LIMIT`] into `out`, one file at a time. Nothing is written before the whole
/// folder was looked through, so a refusal leaves `out` empty; an error while reading leaves a broken archive.
pub fn pack(folder: &Path, out: impl Write) -> Result<Packed, PackError> {
    pack_within(folder, SIZE_LIMIT, out)
}

/// [`pack`], with another limit in bytes.
pub fn pack_within(folder: &Path, limit: u64, out: impl Write) -> Result<Packed, PackError> {
    let picks = pick::pick(folder)?;
    pick::hold_to(&picks, limit)?;
    secret::refuse(&picks)?;
    let mut tar = tar::Builder::new(Tally::new(out));
    for pick in &picks {
        append(&mut tar, pick)?;
    }
    let (_, digest, size) = tar.into_inner().and_then(Tally::finish).map_err(PackError::Write)?;
    Ok(Packed { digest, size, files: picks.len() })
}

/// Packs into a temporary file without a name, rewound to its beginning: it is gone when it is closed, and no huge
/// folder ever sits in memory.
pub fn pack_to_file(folder: &Path, limit: u64) -> Result<(Packed, File), PackError> {
    let mut file = tempfile::tempfile().map_err(PackError::Write)?;
    let packed = pack_within(folder, limit, std::io::BufWriter::new(&mut file))?;
    file.rewind().map_err(PackError::Write)?;
    Ok((packed, file))
}

/// Nothing in the header tells who packed it, or when.
fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn append<W: Write>(tar: &mut tar::Builder<Tally<W>>, pick: &Pick) -> Result<(), PackError> {
    match &pick.kind {
        Kind::Link(target) => {
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            tar.append_link(&mut header, &pick.path, target).map_err(PackError::Write)
        }
        Kind::File { size, executable } => {
            let unreadable =
                |source| PackError::Unreadable { path: pick.path.clone().into(), source };
            let file = File::open(&pick.full).map_err(unreadable)?;
            let mut header =
                header(tar::EntryType::Regular, if *executable { 0o755 } else { 0o644 }, *size);
            // The header has promised a size; a file that is written to meanwhile must not break the archive.
            let mut exactly = Exactly { file, left: *size, failed: None };
            let appended = tar.append_data(&mut header, &pick.path, &mut exactly);
            if let Some(source) = exactly.failed.take() {
                return Err(unreadable(source));
            }
            appended.map_err(PackError::Write)?;
            if exactly.left > 0 || exactly.longer() {
                return Err(PackError::Changed { path: pick.path.clone().into() });
            }
            Ok(())
        }
    }
}

/// Reads as many bytes as were there when the folder was looked through, and remembers whose fault an error was.
struct Exactly {
    file: File,
    left: u64,
    failed: Option<std::io::Error>,
}

impl Exactly {
    fn longer(&mut self) -> bool {
        matches!(self.file.read(&mut [0]), Ok(1..))
    }
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        match self.file.read(&mut buffer[..most]) {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let copy = std::io::Error::new(error.kind(), error.to_string());
                self.failed = Some(error);
                Err(copy)
            }
        }
    }
}

#[cfg(test)]
mod tests;
