//! Unpacks an artifact's archive into a folder, and writes files into it. Nothing of either may land, or lead, outside
//! the folder: paths are relative and plain, nothing is written through a link, and links stay inside.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// What is refused, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// The archive wants what it may not.
    #[error("{0}")]
    Refused(String),
    /// The disk did not do it.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

fn refused(what: &Path, why: &str) -> UnpackError {
    UnpackError::Refused(format!("{}: {why}", what.display()))
}

/// Unpacks a tar archive into `root`, which is there and empty.
pub(crate) fn unpack(archive: &Path, root: &Path) -> Result<(), UnpackError> {
    let mut archive =
        tar::Archive::new(io::BufReader::with_capacity(64 * 1024, File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let written = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        if matches!(kind, tar::EntryType::XGlobalHeader | tar::EntryType::XHeader) {
            continue;
        }
        let path = plain(&written)?;
        if path.as_os_str().is_empty() {
            continue;
        }
        let target = root.join(&path);
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
        match kind {
            tar::EntryType::Directory => folders(root, &path)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                folders(root, path.parent().unwrap_or(Path::new("")))?;
                let mut file = fresh(&target, mode | 0o200)?;
                io::copy(&mut entry, &mut file)?;
                if let Ok(seconds) = entry.header().mtime() {
                    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
                    file.set_modified(at)?;
                }
            }
            tar::EntryType::Symlink => {
                let to = entry
                    .link_name()?
                    .ok_or_else(|| refused(&written, "a link to nothing"))?
                    .into_owned();
                if !stays_inside(&path, &to) {
                    return Err(refused(&written, "a link that leads out of the artifact"));
                }
                folders(root, path.parent().unwrap_or(Path::new("")))?;
                std::os::unix::fs::symlink(&to, &target)?;
            }
            _ => {
                return Err(refused(
                    &written,
                    "only files, folders and symbolic links are unpacked",
                ));
            }
        }
    }
    Ok(())
}

/// Writes one file at a relative path.
pub(crate) fn write(root: &Path, path: &str, bytes: &[u8], mode: u32) -> Result<(), UnpackError> {
    let relative = plain(Path::new(path))?;
    if relative.as_os_str().is_empty() {
        return Err(refused(Path::new(path), "names no file"));
    }
    folders(root, relative.parent().unwrap_or(Path::new("")))?;
    let target = root.join(&relative);
    if target.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
        std::fs::remove_file(&target)?;
    }
    let mut file = fresh(&target, 0o600)?;
    file.write_all(bytes)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
    Ok(())
}

/// The path without `.`; refused where it is absolute or climbs.
fn plain(path: &Path) -> Result<PathBuf, UnpackError> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            _ => return Err(refused(path, "a path that leads out of the folder")),
        }
    }
    Ok(out)
}

/// Makes folders below `root`, and refuses to go through anything that is not one.
fn folders(root: &Path, path: &Path) -> Result<(), UnpackError> {
    let mut at = root.to_path_buf();
    for part in path.components() {
        at.push(part);
        match at.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(refused(path, "its folder is a link or a file")),
            Err(err) if err.kind() == io::ErrorKind::NotFound => std::fs::create_dir(&at)?,
            Err(err) => return Err(err.into()),
        }
    }
    Ok(())
}

/// A new file; what was there is never followed nor written over.
fn fresh(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// A link may climb only at its start and never above the root. It stands in real folders, so climbing is plain; what
/// follows may pass other links, for which the same holds.
fn stays_inside(link: &Path, to: &Path) -> bool {
    let mut depth = link.components().count() - 1;
    let mut climbing = true;
    for part in to.components() {
        match part {
            Component::ParentDir if climbing && depth > 0 => depth -= 1,
            Component::CurDir => {}
            Component::Normal(_) => climbing = false,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> tempfile::NamedTempFile {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, body) in entries {
            let mut header = tar::Header::new_gnu();
            // Written by hand: the builder itself would refuse the paths that are tested here.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name_literal(body).unwrap();
                header.set_size(0);
                header.set_cksum();
                builder.append(&header, io::empty()).unwrap();
            } else {
                header.set_size(body.len() as u64);
                header.set_cksum();
                builder.append(&header, body.as_bytes()).unwrap();
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), builder.into_inner().unwrap()).unwrap();
        file
    }

    #[test]
    fn an_artifact_is_unpacked() {
        use tar::EntryType as T;
        let root = tempfile::tempdir().unwrap();
        let tar = archive(&[
            ("./bin/server", T::Regular, "program"),
            ("lib", T::Directory, ""),
            ("lib/current", T::Symlink, "../bin/server"),
        ]);
        unpack(tar.path(), root.path()).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("lib/current")).unwrap(), "program");
        let mode = std::fs::metadata(root.path().join("bin/server")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "no setuid");
    }

    #[test]
    fn nothing_leads_outside() {
        use tar::EntryType as T;
        let cases: &[&[(&str, T, &str)]] = &[
            &[("../evil", T::Regular, "x")],
            &[("/etc/evil", T::Regular, "x")],
            &[("a/../../evil", T::Regular, "x")],
            &[("l", T::Symlink, "/etc")],
            &[("l", T::Symlink, "..")],
            &[("a/l", T::Symlink, "../..")],
            &[("d", T::Directory, ""), ("l", T::Symlink, "d"), ("l/x", T::Regular, "x")],
            &[("a/b/l", T::Symlink, "../.."), ("m", T::Symlink, "a/b/l/..")],
            &[("h", T::Link, "/etc/passwd")],
            &[("p", T::Fifo, "")],
        ];
        for case in cases {
            let outer = tempfile::tempdir().unwrap();
            let root = outer.path().join("root");
            std::fs::create_dir(&root).unwrap();
            let result = unpack(archive(case).path(), &root);
            assert!(matches!(result, Err(UnpackError::Refused(_))), "{case:?}: {result:?}");
            assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1, "{case:?}");
        }
    }

    #[test]
    fn files_are_written_inside_only() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("out")).unwrap();
        write(root.path(), "conf/a.txt", b"one", 0o640).unwrap();
        write(root.path(), "conf/a.txt", b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(root.path().join("conf/a.txt")).unwrap(), b"two");
        for bad in ["/etc/x", "../x", "out/x", ".", ""] {
            assert!(
                matches!(write(root.path(), bad, b"", 0o600), Err(UnpackError::Refused(_))),
                "{bad}"
            );
        }
    }
}
