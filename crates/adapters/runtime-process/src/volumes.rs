//! Volumes: folders beside the instances' own, which outlive them. Nothing here follows a link that a program could have
//! put into one, and nothing here ever takes one away.

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use tow_record::Mount;

/// What of a volume is mounted, as found.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// A volume's folder, or what `mount` wants of it; made where it is not there, and `user`'s where one is given.
pub(crate) fn open(volumes: &Path, mount: &Mount, user: Option<u32>) -> io::Result<Place> {
    let name = single(&mount.volume)?;
    let root = volumes.join(name);
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

/// Makes a whole tree somebody's. Links are given, never followed.
pub(crate) fn give(path: &Path, user: u32) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(user), Some(user))
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
                    let (owner, group) =
                        (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(user));
                    rustix::fs::chownat(
                        &dir,
                        name,
                        Some(owner),
                        Some(group),
                        AtFlags::SYMLINK_NOFOLLOW,
                    )?;
                }
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        dir = rustix::fs::openat2(&dir, name, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .or_else(|err| match err {
                // A kernel or a filter without it: one part of a path at a time is as safe.
                rustix::io::Errno::NOSYS => rustix::fs::openat(&dir, name, flags, Mode::empty()),
                err => Err(err),
            })
            .map_err(|err| match err {
                rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
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
}
