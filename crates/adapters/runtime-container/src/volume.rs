//! Volumes: folders of this machine that outlive what uses them. What a program inside wrote is not believed: no link
//! in a volume is ever followed from outside.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use tow_record::Mount;

/// Whoever an image runs as may write to a volume; the folder of them all is the platform's alone.
const OPEN: u32 = 0o777;

/// Digits of a volume's name, and of what it was called before.
const WHOLE: usize = 64;
const SHORT: usize = 12;

/// The folder of this machine that is mounted, made where it is not there; words for people where that can't be.
pub(crate) fn source(volumes: &Path, mount: &Mount) -> Result<PathBuf, String> {
    let refused = |why: &str| {
        let path = mount.path.as_deref().unwrap_or("/");
        Err(format!("volume at {}: {path} {why}", mount.target))
    };
    let plain = |name: &str| {
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
    };
    if !plain(&mount.volume) {
        return refused("is in no volume of ours");
    }
    // The engine resolves what it is told later than anybody here could look for links, and whoever else writes to the
    // volume may put one there in between. Its root can't be swapped: the folder around it is nobody's inside.
    if mount.is_part() {
        return refused("is a folder of the volume, and containers can mount only the whole");
    }
    let broken = |err: io::Error| format!("volume at {}: {err}", mount.target);
    DirBuilder::new().recursive(true).mode(0o700).create(volumes).map_err(broken)?;
    let at = named(volumes, &mount.volume).map_err(broken)?;
    folder(&at).map_err(broken)?;
    match at.symlink_metadata().map_err(broken)? {
        meta if meta.is_dir() => Ok(at),
        _ => refused("is not a folder of ours"),
    }
}

/// Where a volume of this name is. Names were shorter once: the first [`SHORT`] digits of what is now a whole digest. Such a
/// folder gets its whole name from the first that asks for it by that, and whoever still knows the short one finds it.
fn named(volumes: &Path, name: &str) -> io::Result<PathBuf> {
    let path = volumes.join(name);
    let is_there = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let digits = name.strip_prefix("v-").filter(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(digits) = digits.filter(|_| !is_there(&path)) else { return Ok(path) };
    if digits.len() == WHOLE {
        let short = volumes.join(format!("v-{}", &digits[..SHORT]));
        if is_there(&short) {
            match std::fs::rename(&short, &path) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
                _ => {}
            }
        }
    } else if digits.len() == SHORT
        && let Ok(entries) = std::fs::read_dir(volumes)
    {
        let mut names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let whole = |other: &String| other.len() == "v-".len() + WHOLE && other.starts_with(name);
        if let Some(whole) = names.find(whole) {
            return Ok(volumes.join(whole));
        }
    }
    Ok(path)
}

/// Makes a folder; its mode only where it was made now.
fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(OPEN)),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(volume: &str, path: Option<&str>) -> Mount {
        let (volume, target) = (volume.to_string(), "/data".to_string());
        Mount { volume, target, path: path.map(String::from), read_only: false }
    }

    #[test]
    fn a_volume_is_made_for_whoever_runs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("volumes");
        for all in [None, Some(""), Some("/"), Some("./")] {
            assert_eq!(source(&root, &mount("v-1", all)).unwrap(), root.join("v-1"));
        }
        assert_eq!(root.join("v-1").metadata().unwrap().permissions().mode() & 0o777, OPEN);
        assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    /// A folder may become a link between this look and the engine's own: no part of a volume is handed to it, not even
    /// one that is a plain folder now.
    #[test]
    fn nothing_leads_out_of_a_volume_now_or_later() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("volumes");
        let inside = source(&root, &mount("v-1", None)).unwrap();
        std::fs::create_dir(inside.join("sub")).unwrap();
        std::os::unix::fs::symlink("/etc", inside.join("etc")).unwrap();
        for path in ["sub", "/sub", "sub/", "new", "..", "a/../..", "../v-2", "etc", "etc/ssl"] {
            let why = source(&root, &mount("v-1", Some(path))).unwrap_err();
            assert!(why.contains("/data") && why.contains(path), "{path}: {why}");
        }
        for volume in ["..", "", ".", "a/b", "/etc", "../etc"] {
            assert!(source(&root, &mount(volume, None)).is_err(), "{volume}");
        }
        std::os::unix::fs::symlink("/etc", root.join("v-2")).unwrap();
        assert!(source(&root, &mount("v-2", None)).is_err(), "a link is no volume");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_volume_of_a_short_name_is_found_by_its_whole_one_and_once() {
        let outer = tempfile::tempdir().unwrap();
        let short = format!("v-{}", "0123456789ab");
        let whole = |last: char| format!("{short}{}", last.to_string().repeat(WHOLE - SHORT));
        std::fs::create_dir(outer.path().join(&short)).unwrap();
        std::fs::write(outer.path().join(&short).join("kept"), "").unwrap();
        let find = |name: &str| source(outer.path(), &mount(name, None)).unwrap();
        let found = find(&whole('c'));
        assert_eq!(found, outer.path().join(whole('c')));
        assert!(found.join("kept").exists(), "what was in it is there");
        assert_eq!(find(&short), found, "and found by whoever knows the short name");
        let other = find(&whole('d'));
        assert!(!other.join("kept").exists(), "another digest is another volume");
        assert_eq!(find(&whole('c')), found);
    }
}
