//! Volumes: folders beside the instances' own, which outlive them. Nothing here follows a link that a program could have
//! put into one, and nothing here ever takes one away.

use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fchown};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use tow_record::Mount;

/// Folders in folders that are given away: each level holds descriptors, and a part of the stack.
const DEEPEST: u32 = 200;

/// What of a volume is mounted, as found.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// A volume's folder, or what `mount` wants of it; made where it is not there, and `user`'s where one is given.
pub(crate) fn open(volumes: &Path, mount: &Mount, user: Option<u32>) -> io::Result<Place> {
    let root = volumes.join(single(&mount.volume)?);
    make(&root)?;
    if let Some(user) = user
        && root.symlink_metadata()?.uid() != user
    {
        // The root last: it says that all below is done.
        give(&root, user)?;
    }
    let dir = rustix::fs::open(
        &root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW,
        Mode::empty(),
    )?;
    let (dir, path) = match &mount.path {
        None => (dir, root),
        Some(below) => (walk(dir, Path::new(below), user)?, root.join(plain(Path::new(below))?)),
    };
    let stat = rustix::fs::fstat(&dir)?;
    Ok(Place { path, device: stat.st_dev, inode: stat.st_ino })
}

/// Can it be mounted at all? The error says why not. Asked before anything is made; what is there is judged by [`open`].
pub(crate) fn admit(mount: &Mount) -> io::Result<()> {
    single(&mount.volume)?;
    if let Some(below) = &mount.path {
        plain(Path::new(below))?;
    }
    Ok(())
}

/// Makes the folders of a volume's target inside the working folder.
pub(crate) fn make_way(work: &Path, target: &Path) -> io::Result<()> {
    let dir =
        rustix::fs::open(work, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    let user = work.symlink_metadata()?.uid();
    let user = rustix::process::geteuid().is_root().then_some(user);
    walk(dir, target, user).map(drop)
}

/// Makes a whole tree somebody's. Links are given, never followed: not even where a folder becomes one meanwhile.
pub(crate) fn give(path: &Path, user: u32) -> io::Result<()> {
    give_at(CWD, path, user, DEEPEST).map_err(|err| {
        io::Error::new(err.kind(), format!("{} can't be given away: {err}", path.display()))
    })
}

/// What has this name in a folder, and all below it before itself.
fn give_at(dir: BorrowedFd<'_>, name: &Path, user: u32, levels: u32) -> io::Result<()> {
    let (owner, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(user)));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Ok(chownat(dir, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)?);
        }
        Err(err) => return Err(err.into()),
    };
    let Some(levels) = levels.checked_sub(1) else {
        return Err(io::Error::other(format!("its folders are more than {DEEPEST} deep")));
    };
    for entry in Dir::read_from(&found)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        match give_at(found.as_fd(), name, user, levels) {
            // Whoever writes there takes away as well.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(fchown(&found, owner, group)?)
}

fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Goes down folder by folder, makes those that are missing, and follows no link.
fn walk(mut dir: OwnedFd, path: &Path, user: Option<u32>) -> io::Result<OwnedFd> {
    for part in plain(path)?.components() {
        let name = Path::new(part.as_os_str());
        match rustix::fs::mkdirat(
            &dir,
            name,
            Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH,
        ) {
            Ok(()) => {
                if let Some(user) = user {
                    let (owner, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(user)));
                    chownat(&dir, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)?;
                }
            }
            Err(Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        dir = rustix::fs::openat2(&dir, name, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .or_else(|err| match err {
                // A kernel or a filter without it: one part of a path at a time is as safe.
                Errno::NOSYS => rustix::fs::openat(&dir, name, flags, Mode::empty()),
                err => Err(err),
            })
            .map_err(|err| match err {
                Errno::LOOP | Errno::NOTDIR => {
                    io::Error::other(format!("{}: a link or a file is in the way", path.display()))
                }
                err => err.into(),
            })?;
    }
    Ok(dir)
}

/// Relative, and nowhere upwards.
fn plain(path: &Path) -> io::Result<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            _ => {
                return Err(io::Error::other(format!(
                    "{}: it leads out of the volume",
                    path.display()
                )));
            }
        }
    }
    Ok(out)
}

/// One plain name.
fn single(name: &str) -> io::Result<&str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) if !name.starts_with('.') && !name.contains('/') => {
            Ok(name)
        }
        _ => Err(io::Error::other(format!("{name} is no name of a volume"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(volume: &str, path: Option<&str>) -> Mount {
        Mount {
            volume: volume.into(),
            target: "data".into(),
            path: path.map(Into::into),
            read_only: false,
        }
    }

    #[test]
    fn nothing_leads_out_of_a_volume() {
        let outer = tempfile::tempdir().unwrap();
        let volumes = outer.path().join("volumes");
        let found = open(&volumes, &mount("a", Some("x/y")), None).unwrap();
        assert_eq!(found.path, volumes.join("a/x/y"));
        assert_eq!(found.path.metadata().unwrap().ino(), found.inode);
        std::os::unix::fs::symlink(outer.path(), volumes.join("a/out")).unwrap();
        for (volume, path) in [
            ("a", Some("out")),
            ("a", Some("out/more")),
            ("a", Some("../b")),
            ("a", Some("/etc")),
            ("..", None),
            ("a/b", None),
            (".hidden", None),
            ("", None),
        ] {
            assert!(open(&volumes, &mount(volume, path), None).is_err(), "{volume} {path:?}");
        }
        assert!(!outer.path().join("more").exists());
    }

    /// While it is given away, whoever may write there puts a link in a folder's place again and again.
    #[test]
    fn what_is_given_away_is_never_what_a_link_leads_to() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use std::sync::atomic::{AtomicBool, Ordering};
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root gives anything away");
            return;
        }
        let outer = tempfile::tempdir().unwrap();
        let (others, volume) = (outer.path().join("others"), outer.path().join("volume"));
        let (folder, link) = (volume.join("folder"), outer.path().join("link"));
        for dir in [&others, &folder] {
            std::fs::create_dir_all(dir).unwrap();
            for n in 0..500 {
                std::fs::write(dir.join(format!("f{n}")), "").unwrap();
            }
        }
        std::os::unix::fs::symlink(&others, &link).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            for _ in 0..200 {
                let _ = give(&volume, 12_345);
            }
            done.store(true, Ordering::Relaxed);
        });
        let taken = std::fs::read_dir(&others)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().metadata().unwrap().uid() != 0)
            .count();
        assert_eq!((taken, others.metadata().unwrap().uid()), (0, 0));
    }
}
