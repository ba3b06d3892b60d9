//! Volumes: folders of this machine that outlive what uses them. What a program inside wrote is not believed: no link
//! in a volume is ever followed from outside.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use tow_record::Mount;

/// Whoever an image runs as may write to a volume; the folder of them all is the platform's alone.
const OPEN: u32 = 0o777;

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
    let at = volumes.join(&mount.volume);
    folder(&at).map_err(broken)?;
    match at.symlink_metadata().map_err(broken)? {
        meta if meta.is_dir() => Ok(at),
        _ => refused("is not a folder of ours"),
    }
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
}
