//! Takes a tree away, whatever a program made of it: folders nobody may enter, paths longer than any call takes, nesting
//! deeper than there are descriptors. Goes by descriptors, follows no link, and is for what nobody writes to any more.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What lies deeper is brought up first: each level holds a descriptor or two, and a part of the stack.
const DEEPEST: usize = 64;
/// Names that are tried for what is brought up, where a program has thought of them too.
const NAMES: u32 = 10_000;

/// Takes it away; nothing to do where it is not there.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::open(parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let name = std::ffi::CString::new(name.as_encoded_bytes()).map_err(io::Error::other)?;
    let mut lifted = 0;
    loop {
        let top = match enter(parent.as_fd(), &name) {
            Ok(top) => top,
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Ok(rustix::fs::unlinkat(&parent, &name, AtFlags::empty())?);
            }
            Err(err) => return Err(err.into()),
        };
        let before = lifted;
        below(top.as_fd(), top.as_fd(), 0, &mut lifted)?;
        match rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // What was brought up came after its name would have been read.
            Err(Errno::NOTEMPTY | Errno::EXIST) if lifted > before => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// Empties a folder.
fn below(
    dir: BorrowedFd<'_>,
    top: BorrowedFd<'_>,
    depth: usize,
    lifted: &mut u32,
) -> Result<(), Errno> {
    let mut entries = Dir::read_from(dir)?;
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if !matches!(entry.file_type(), FileType::Directory) {
            match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                // Some disks don't say what is a folder.
                Err(Errno::ISDIR | Errno::PERM) if entry.file_type() == FileType::Unknown => {}
                Err(err) => return Err(err),
            }
        }
        // Before it is moved too: a folder that nobody may write to can't change its parent.
        let inner = enter(dir, name)?;
        if depth == DEEPEST {
            drop(inner);
            lift(dir, name, top, lifted)?;
            continue;
        }
        below(inner.as_fd(), top, depth + 1, lifted)?;
        drop(inner);
        rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Brings a folder up to the top, under a name that is free there.
fn lift(dir: BorrowedFd<'_>, name: &CStr, top: BorrowedFd<'_>, n: &mut u32) -> Result<(), Errno> {
    for _ in 0..NAMES {
        *n = n.wrapping_add(1);
        let free = format!(".deep-{n}");
        match rustix::fs::renameat_with(dir, name, top, &free, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            Err(Errno::INVAL | Errno::NOSYS) => match rustix::fs::renameat(dir, name, top, &free) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                other => return other,
            },
            other => return other,
        }
    }
    Err(Errno::EXIST)
}

/// Opens a folder, made passable where its owner closed it.
fn enter(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    if rustix::fs::fstat(&found)?.st_mode & 0o700 != 0o700 {
        // Through the descriptor: this very folder, whatever has its name by now. Where it can't be, the next call says so.
        let path = format!("/proc/self/fd/{}", found.as_raw_fd());
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&found, ".", flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_deeper_than_any_path_goes_and_what_a_link_leads_to_stays() {
        let outer = tempfile::tempdir().unwrap();
        let (tree, kept) = (outer.path().join("tree"), outer.path().join("kept"));
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(&kept, "kept").unwrap();
        std::fs::create_dir(tree.join(".deep-1")).unwrap();
        let mut dir = rustix::fs::open(&tree, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let name = "d".repeat(200);
        for _ in 0..1000 {
            rustix::fs::mkdirat(&dir, &name, Mode::RWXU).unwrap();
            rustix::fs::symlinkat(outer.path(), &dir, "link").unwrap();
            dir = rustix::fs::openat(&dir, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        clear(&tree).unwrap();
        assert!(!tree.exists() && kept.exists());
        clear(&tree).unwrap();
        clear(&kept).unwrap();
        assert!(!kept.exists());
    }
}
