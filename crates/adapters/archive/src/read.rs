//! Reads a backup: first every byte of it is checked, then its entries can be had, each checked once more.

use crate::frame::{BLOCK, END, header, padding, parse};
use crate::key::{Keys, hex};
use crate::manifest::{FORMAT, Manifest, Summary, WHAT};
use crate::write::Plain;
use crate::{ArchiveError, Name, Passphrase};
use sha2::Digest as _;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The largest entry that is held in memory. Blobs are not.
const HELD: u64 = 1 << 30;
/// The largest manifest.
const MANIFEST: u64 = 64 * 1024;
/// `seal` with its header, and what ends the file.
const TAIL: u64 = 2 * BLOCK + END;

/// A file that begins as a backup does. Nothing but its manifest was looked at.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    manifest_text: Vec<u8>,
}

/// A backup of which every byte was checked.
pub struct Verified {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    summary: Summary,
    items: Vec<Item>,
    keys: Plain,
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verified").field("path", &self.path).finish_non_exhaustive()
    }
}

/// An entry, where it lies and what its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub name: Name,
    /// In bytes.
    pub size: u64,
    at: u64,
    sha256: String,
}

impl Backup {
    /// Opens a file and reads what it says of itself, without trusting it.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let io = |error: std::io::Error| ArchiveError::io(path, &error);
        let file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        let not_ours = |why: &str| ArchiveError::NotABackup { path: path.into(), why: why.into() };
        if !meta.is_file() {
            return Err(not_ours("it is not a file"));
        }
        let size = meta.len();
        let mut head = [0; BLOCK as usize];
        let read = read_up_to(&file, &mut head, 0).map_err(io)?;
        let name = Name::Manifest.to_string();
        let ours = head.starts_with(name.as_bytes());
        if !ours && !ends_as_ours(&file, size) {
            return Err(not_ours(if size == 0 {
                "it is empty"
            } else {
                "it begins with something else"
            }));
        }
        if read < head.len() {
            return Err(ArchiveError::Truncated { path: path.into(), entry: name });
        }
        let changed = |why: &str| ArchiveError::Changed {
            path: path.into(),
            entry: Name::Manifest.to_string(),
            why: why.into(),
        };
        let length = match parse(&head) {
            Some((found, length)) if found == name && header(&name, length) == head => length,
            _ => return Err(changed("its header is not the one that was written")),
        };
        if length > MANIFEST {
            return Err(changed("it is too long"));
        }
        let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
        if read_up_to(&file, &mut text, BLOCK).map_err(io)? < text.len() {
            return Err(ArchiveError::Truncated { path: path.into(), entry: name });
        }
        // A newer one may say more, so what and format are read first.
        let said: serde_json::Value =
            serde_json::from_slice(&text).map_err(|_| changed("it does not read as JSON"))?;
        if said["what"] != WHAT {
            return Err(if ends_as_ours(&file, size) {
                changed("it does not say what it is")
            } else {
                not_ours("its manifest is of something else")
            });
        }
        let found = said["format"].as_u64().and_then(|n| u32::try_from(n).ok());
        match found {
            Some(found) if found > FORMAT => {
                return Err(ArchiveError::Newer {
                    path: path.into(),
                    made_by: said["made_by"].as_str().unwrap_or("unknown").into(),
                    found,
                    known: FORMAT,
                });
            }
            Some(1..) => {}
            _ => return Err(changed("its format is not a number")),
        }
        let manifest: Manifest =
            serde_json::from_value(said).map_err(|e| changed(&e.to_string()))?;
        Ok(Self { path: path.into(), file, manifest, manifest_text: text })
    }

    /// What it says of itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Checks every byte. Damage is named by its entry; only a file that is whole can be told to have another
    /// passphrase.
    pub fn verify(self, passphrase: &Passphrase) -> Result<Verified, ArchiveError> {
        let scanned = self.scan()?;
        let keys = Keys::derive(passphrase, &self.manifest.cost);
        let wrong = || ArchiveError::Passphrase { path: self.path.clone() };
        let keys = keys.ok_or_else(|| self.changed(&Name::Manifest, "its cost is none of ours"))?;
        if !keys.fits("check", &self.manifest_text, &scanned.check) {
            return Err(wrong());
        }
        // The passphrase is right, so whatever does not fit now was changed by somebody who took care.
        if !keys.fits("contents", &scanned.contents, &scanned.seal) {
            return Err(self.changed(&Name::Seal, "it is not the seal of these contents"));
        }
        let plain = keys
            .open(&self.manifest_text, &scanned.keys)
            .ok_or_else(|| self.changed(&Name::Keys, "they do not open"))?;
        let summary = serde_json::from_slice(&scanned.summary)
            .map_err(|e| self.changed(&Name::Summary, &e.to_string()))?;
        Ok(Verified {
            path: self.path,
            file: self.file,
            manifest: self.manifest,
            summary,
            items: scanned.items,
            keys: plain,
        })
    }

    fn changed(&self, name: &Name, why: &str) -> ArchiveError {
        ArchiveError::Changed { path: self.path.clone(), entry: name.to_string(), why: why.into() }
    }

    /// Goes through the whole file once.
    fn scan(&self) -> Result<Scanned, ArchiveError> {
        let io = |error: std::io::Error| ArchiveError::io(&self.path, &error);
        let mut file = self.file.try_clone().map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut scan = Scan {
            path: &self.path,
            reader: BufReader::with_capacity(1 << 20, file),
            at: 0,
            size,
            last: Name::Manifest.to_string(),
        };
        let mut scanned = Scanned::default();
        loop {
            let item = scan.entry(&mut scanned)?;
            let done = item.name == Name::Seal;
            scanned.items.push(item);
            if done {
                break;
            }
        }
        scan.end()?;
        self.compare(&scanned)?;
        Ok(scanned)
    }

    /// Each entry against its line in the contents.
    fn compare(&self, scanned: &Scanned) -> Result<(), ArchiveError> {
        let text = std::str::from_utf8(&scanned.contents)
            .map_err(|_| self.changed(&Name::Contents, "they are not text"))?;
        let mut lines = text.lines();
        for item in &scanned.items {
            if matches!(item.name, Name::Contents | Name::Seal) {
                continue;
            }
            let line = lines.next().unwrap_or_default();
            let Some((digest, name)) = line.split_once("  ") else {
                return Err(self.changed(&Name::Contents, "a line is not one that was written"));
            };
            if name != item.name.to_string() {
                // Either of the two was changed; which one can't be told, and need not be.
                let why = format!("{name} stands there in its place");
                return Err(self.changed(&Name::Contents, &format!("{}: {why}", item.name)));
            }
            if digest != item.sha256 {
                return Err(self.changed(&item.name, "its bytes are not those that were written"));
            }
            if let Name::Blob(digest) = &item.name
                && digest.hex() != item.sha256
            {
                return Err(self.changed(&item.name, "its bytes do not have that digest"));
            }
        }
        match lines.next() {
            None => Ok(()),
            Some(line) => {
                let name = line.split_once("  ").map_or(line, |(_, name)| name);
                Err(self.changed(&Name::Contents, &format!("{name} is listed and not there")))
            }
        }
    }
}

#[derive(Default)]
struct Scanned {
    items: Vec<Item>,
    check: Vec<u8>,
    keys: Vec<u8>,
    summary: Vec<u8>,
    contents: Vec<u8>,
    seal: Vec<u8>,
}

/// One pass over the file.
struct Scan<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    at: u64,
    size: u64,
    last: String,
}

impl Scan<'_> {
    fn changed(&self, entry: &str, why: &str) -> ArchiveError {
        ArchiveError::Changed { path: self.path.into(), entry: entry.into(), why: why.into() }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        if self.size - self.at < buffer.len() as u64 {
            let entry = self.last.clone();
            return Err(ArchiveError::Truncated { path: self.path.into(), entry });
        }
        self.reader.read_exact(buffer).map_err(|error| ArchiveError::io(self.path, &error))?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    fn entry(&mut self, scanned: &mut Scanned) -> Result<Item, ArchiveError> {
        let mut block = [0; BLOCK as usize];
        self.fill(&mut block)?;
        let after = |last: &str| format!("the header after {last}");
        let Some((text, size)) = parse(&block) else {
            return Err(self.changed(&after(&self.last), "there is none"));
        };
        let expected = expected(&scanned.items);
        let fits = header(&text, size) == block;
        let name = match Name::parse(&text) {
            Some(name) if fits && expected.is_none_or(|expected| expected == name) => name,
            _ => {
                let why = "it is not one that was written";
                return Err(self.changed(&after(&self.last), why));
            }
        };
        self.last = text;
        if self.size - self.at < size {
            let entry = self.last.clone();
            return Err(ArchiveError::Truncated { path: self.path.into(), entry });
        }
        let at = self.at;
        let mut held = match name {
            Name::Check => Some(&mut scanned.check),
            Name::Keys => Some(&mut scanned.keys),
            Name::Summary => Some(&mut scanned.summary),
            Name::Contents => Some(&mut scanned.contents),
            Name::Seal => Some(&mut scanned.seal),
            _ => None,
        };
        if held.is_some() && size > HELD {
            return Err(self.changed(&self.last.clone(), "it is too long"));
        }
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            self.fill(&mut buffer[..most])?;
            hasher.update(&buffer[..most]);
            if let Some(held) = &mut held {
                held.extend_from_slice(&buffer[..most]);
            }
            left -= most as u64;
        }
        let mut zeros = vec![0; usize::try_from(padding(size)).unwrap_or(0)];
        self.fill(&mut zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.changed(&self.last.clone(), "what fills its last block is not empty"));
        }
        Ok(Item { name, size, at, sha256: hex(&hasher.finalize()) })
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        let mut zeros = [0; END as usize];
        self.last = "the end".into();
        self.fill(&mut zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.changed("the end", "it is not empty"));
        }
        if self.at != self.size {
            return Err(self.changed("the end", "something follows it"));
        }
        Ok(())
    }
}

/// The entry that must come now, where only one may.
fn expected(before: &[Item]) -> Option<Name> {
    match before {
        [] => Some(Name::Manifest),
        [_] => Some(Name::Check),
        [_, _] => Some(Name::Keys),
        [.., last] => match last.name {
            Name::Summary => Some(Name::Contents),
            Name::Contents => Some(Name::Seal),
            _ => None,
        },
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64)? {
            0 => break,
            some => read += some,
        }
    }
    Ok(read)
}

/// Does the file end with a seal? Then it was ours, whatever became of its beginning.
fn ends_as_ours(file: &File, size: u64) -> bool {
    let mut block = [0; BLOCK as usize];
    size >= TAIL
        && read_up_to(file, &mut block, size - TAIL).is_ok_and(|read| read == block.len())
        && parse(&block).is_some_and(|(name, _)| name == Name::Seal.to_string())
}

impl Verified {
    /// What it says of itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// How much is in it.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }
    /// The platform's keys, as they were handed to the writer.
    pub fn keys(&self) -> &[u8] {
        &self.keys
    }
    /// The parts of tables, in the order of writing.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.items.iter().filter_map(|item| match &item.name {
            Name::Rows { table, .. } => Some((table.as_str(), item)),
            _ => None,
        })
    }
    /// The blobs.
    pub fn blobs(&self) -> impl Iterator<Item = (&tow_names::Digest, &Item)> {
        self.items.iter().filter_map(|item| match &item.name {
            Name::Blob(digest) => Some((digest, item)),
            _ => None,
        })
    }

    /// An entry's bytes, in memory.
    pub fn read(&self, item: &Item) -> Result<Vec<u8>, ArchiveError> {
        if item.size > HELD {
            return Err(self.changed(item, "it is too long"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(item.size).unwrap_or(0));
        self.copy(item, &mut bytes)?;
        Ok(bytes)
    }

    /// An entry's bytes, handed on piece by piece. The error comes after bytes were handed on where they are no longer
    /// those that were checked.
    pub fn copy(&self, item: &Item, to: &mut dyn Write) -> Result<(), ArchiveError> {
        let io = |error: std::io::Error| ArchiveError::io(&self.path, &error);
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut done = 0;
        while done < item.size {
            let most = usize::try_from(item.size - done).unwrap_or(usize::MAX).min(buffer.len());
            let read = read_up_to(&self.file, &mut buffer[..most], item.at + done).map_err(io)?;
            if read == 0 {
                return Err(ArchiveError::Truncated {
                    path: self.path.clone(),
                    entry: item.name.to_string(),
                });
            }
            hasher.update(&buffer[..read]);
            to.write_all(&buffer[..read]).map_err(io)?;
            done += read as u64;
        }
        if hex(&hasher.finalize()) != item.sha256 {
            return Err(self.changed(item, "it changed while it was read"));
        }
        Ok(())
    }

    fn changed(&self, item: &Item, why: &str) -> ArchiveError {
        ArchiveError::Changed {
            path: self.path.clone(),
            entry: item.name.to_string(),
            why: why.into(),
        }
    }
}
