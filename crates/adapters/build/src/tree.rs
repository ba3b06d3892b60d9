//! Folders on disk: how large they are, making one equal to another, taking one away.

use std::collections::HashSet;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Bytes that `folder` takes on disk; what vanishes meanwhile counts nothing. A file with two names counts once.
pub(crate) fn size(folder: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut total = 0;
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                open.push(entry.path());
            }
            if about.is_dir() || about.nlink() == 1 || seen.insert((about.dev(), about.ino())) {
                total += about.blocks() * 512;
            }
        }
    }
    total
}

/// Makes `to` equal to `from`. What is equal already keeps its time, so that build tools see what changed and nothing
/// else; what is not gets the present, even where `from` was written long ago. Broken off, it is done again.
pub(crate) fn mirror(from: &Path, to: &Path, keep: &[&str]) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(to)? {
        let entry = entry?;
        let here = entry.file_type()?;
        let same_kind =
            std::fs::symlink_metadata(from.join(entry.file_name())).is_ok_and(|there| {
                here.is_dir() == there.is_dir() && here.is_symlink() == there.is_symlink()
            });
        let kept = here.is_dir()
            && entry.file_name().to_str().is_some_and(|name| keep.contains(&name))
            && !from.join(entry.file_name()).exists();
        if same_kind || kept {
            continue;
        }
        if here.is_dir() {
            clear(&entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            mirror(&source, &target, keep)?;
        } else if kind.is_symlink() {
            let wanted = std::fs::read_link(&source)?;
            if std::fs::read_link(&target).ok().as_ref() != Some(&wanted) {
                if target.is_symlink() {
                    std::fs::remove_file(&target)?;
                }
                std::os::unix::fs::symlink(wanted, &target)?;
            }
        } else if !equal(&source, &target)? {
            // A new file beside the old one: broken off half-way, the old one is still whole.
            let mut name = entry.file_name();
            name.push(".tow-new");
            let fresh = to.join(name);
            std::fs::copy(&source, &fresh)?;
            std::fs::rename(&fresh, &target)?;
        }
    }
    Ok(())
}

/// Are both files there, with the same bytes and permissions?
fn equal(one: &Path, two: &Path) -> std::io::Result<bool> {
    let (Ok(a), Ok(b)) = (std::fs::metadata(one), std::fs::symlink_metadata(two)) else {
        return Ok(false);
    };
    if a.len() != b.len() || a.permissions().mode() != b.permissions().mode() {
        return Ok(false);
    }
    let (mut one, mut two) = (std::fs::File::open(one)?, std::fs::File::open(two)?);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(two.read(&mut right[..1])? == 0);
        }
        if two.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

/// Takes `folder` away, folders that forbid writing included (some tools protect their caches so). No error where it
/// is not there.
pub(crate) fn clear(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        done => return done,
    }
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    std::fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_mirror_touches_only_what_changed() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let put = |root: &Path, path: &str, text: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
            fs::File::options()
                .write(true)
                .open(root.join(path))
                .unwrap()
                .set_modified(old)
                .unwrap();
        };
        for (path, here, there) in
            [("a/same", "1", "1"), ("a/other", "1", "2"), ("was-folder", "1", "")]
        {
            put(from.path(), path, here);
            if !there.is_empty() {
                put(to.path(), path, there);
            }
        }
        put(to.path(), "gone/deep/x", "1");
        put(to.path(), "was-folder/x", "1");
        put(to.path(), "sub/kept/x", "1");
        put(from.path(), "sub/a", "1");
        mirror(from.path(), to.path(), &["kept"]).unwrap();
        assert!(to.path().join("sub/kept/x").exists());
        let time = |path: &str| fs::metadata(to.path().join(path)).unwrap().modified().unwrap();
        assert_eq!(time("a/same"), old);
        assert!(time("a/other") > old, "a changed file is new, whatever the time of its source");
        assert_eq!(fs::read_to_string(to.path().join("a/other")).unwrap(), "1");
        assert_eq!(fs::read_to_string(to.path().join("was-folder")).unwrap(), "1");
        assert!(!to.path().join("gone").exists());
    }

    #[test]
    fn size_counts_and_clear_clears() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("r");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/a"), vec![1; 100_000]).unwrap();
        fs::hard_link(root.join("sub/a"), root.join("b")).unwrap();
        let bytes = size(&root);
        assert!((100_000..180_000).contains(&bytes), "{bytes}");
        fs::set_permissions(root.join("sub"), fs::Permissions::from_mode(0o500)).unwrap();
        clear(&root).unwrap();
        clear(&root).unwrap();
        assert!(!root.exists());
    }
}
