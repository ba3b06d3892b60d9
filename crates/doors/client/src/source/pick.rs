//! Which files of a folder are its source. Reads names, sizes and links, no content.

use super::PackError;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Folders that are some tool's own and never source.
const NEVER: [&str; 4] = [".git", ".hg", ".svn", ".jj"];
/// The first line of `CACHEDIR.TAG`. Source: the Cache Directory Tagging Specification.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// A file or link to be packed.
pub(super) struct Pick {
    /// Below the folder, `/` between its parts.
    pub(super) path: String,
    /// Where it is.
    pub(super) full: PathBuf,
    /// What it is.
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    File { size: u64, executable: bool },
    Link(PathBuf),
}

impl Pick {
    fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            Kind::Link(_) => 0,
        }
    }
}

/// Everything of the folder that is source, sorted by path. Folders have no entry of their own: git keeps no empty
/// ones either, and a fresh checkout must give the same archive.
pub(super) fn pick(folder: &Path) -> Result<Vec<Pick>, PackError> {
    let bad = |source| PackError::NotAFolder { path: folder.into(), source };
    let root = folder.canonicalize().map_err(bad)?;
    std::fs::read_dir(&root).map_err(bad)?;
    // The rules of parent folders count only inside a repository: a stray file in somebody's home decides nothing.
    let in_repository = root.ancestors().any(|above| above.join(".git").exists());
    let mut picks = Vec::new();
    let walk = ignore::WalkBuilder::new(&root)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(in_repository)
        .parents(in_repository)
        .require_git(false)
        .add_custom_ignore_filename(".towignore")
        .filter_entry(|entry| !skipped(entry))
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| unreadable(&root, error))?;
        let below = entry.path().strip_prefix(&root).unwrap_or(entry.path()).to_path_buf();
        let Some(file_type) = entry.file_type() else { continue };
        if below.as_os_str().is_empty() || file_type.is_dir() {
            continue;
        }
        let failed = |source| PackError::Unreadable { path: below.clone(), source };
        let kind = if file_type.is_symlink() {
            let target = std::fs::read_link(entry.path()).map_err(failed)?;
            if !stays(&below, &target) {
                return Err(PackError::LinkLeaves { path: below, target });
            }
            Kind::Link(target)
        } else if file_type.is_file() {
            let about = std::fs::symlink_metadata(entry.path()).map_err(failed)?;
            Kind::File { size: about.len(), executable: executable(&about) }
        } else {
            return Err(PackError::Special { path: below });
        };
        let path = slashed(&below).ok_or_else(|| {
            failed(std::io::Error::other(
                "its name is not UTF-8; rename it or name it in .towignore",
            ))
        })?;
        picks.push(Pick { path, full: entry.into_path(), kind });
    }
    if picks.is_empty() {
        return Err(PackError::Empty { path: folder.into() });
    }
    picks.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(picks)
}

/// Refuses what is larger than `limit`, naming where the bytes are.
pub(super) fn hold_to(picks: &[Pick], limit: u64) -> Result<(), PackError> {
    let size: u64 = picks.iter().map(Pick::size).sum();
    if size <= limit {
        return Ok(());
    }
    let mut largest = children(picks, "");
    // A folder that owes nearly all of its size to one below it says less than that one.
    for entry in &mut largest {
        while let Some(child) = children(picks, &entry.0).into_iter().next() {
            if child.1 * 10 < entry.1 * 9 {
                break;
            }
            *entry = child;
        }
    }
    let largest = largest.into_iter().map(|(path, size)| (path.into(), size)).collect();
    Err(PackError::TooLarge { size, limit, files: picks.len(), largest })
}

/// The three largest things directly in `folder`, the largest first.
fn children(picks: &[Pick], folder: &str) -> Vec<(String, u64)> {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for pick in picks {
        let below = match folder {
            "" => Some(pick.path.as_str()),
            folder => pick.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(below) = below else { continue };
        let end = pick.path.len() - below.len() + below.find('/').unwrap_or(below.len());
        *sizes.entry(&pick.path[..end]).or_default() += pick.size();
    }
    let mut sizes: Vec<(String, u64)> =
        sizes.into_iter().map(|(path, size)| (path.to_string(), size)).collect();
    sizes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sizes.truncate(3);
    sizes
}

fn skipped(entry: &ignore::DirEntry) -> bool {
    if entry.depth() == 0 {
        return false;
    }
    if NEVER.iter().any(|name| entry.file_name() == *name) {
        return true;
    }
    // What a tool marks as its cache (Cargo's target, some test runners' folders) is not source, ignored or not.
    entry.file_type().is_some_and(|kind| kind.is_dir()) && tagged_as_cache(entry.path())
}

fn tagged_as_cache(folder: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; CACHE_TAG.len()];
    std::fs::File::open(folder.join("CACHEDIR.TAG"))
        .and_then(|mut tag| tag.read_exact(&mut head))
        .is_ok_and(|()| head == CACHE_TAG)
}

/// Does a link at `path` stay inside? Only targets that go up first and then down are let through: after a name, `..`
/// may lead anywhere, because the name may be a link itself.
pub(super) fn stays(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    let mut named = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            Component::ParentDir if !named && depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> =
        path.components().map(|part| part.as_os_str().to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

fn unreadable(root: &Path, error: ignore::Error) -> PackError {
    let mut path = PathBuf::new();
    let mut inner = &error;
    loop {
        inner = match inner {
            ignore::Error::WithPath { path: at, err } => {
                path = at.strip_prefix(root).unwrap_or(at).into();
                err
            }
            ignore::Error::WithLineNumber { err, .. } | ignore::Error::WithDepth { err, .. } => err,
            _ => break,
        };
    }
    let source = match error.io_error() {
        Some(source) => std::io::Error::new(source.kind(), source.to_string()),
        None => std::io::Error::other(error.to_string()),
    };
    PackError::Unreadable { path, source }
}

#[cfg(unix)]
fn executable(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn executable(_: &std::fs::Metadata) -> bool {
    false
}
