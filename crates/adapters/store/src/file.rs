//! The database file itself: on what file system it may lie, who may read it, whether there is space left.

use crate::StoreError;
use std::path::Path;

/// File systems on which SQLite's locks or its shared memory do not hold, by the magic number of `statfs(2)`.
#[cfg(target_os = "linux")]
const NETWORK: [(u64, &str); 10] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x786F_4256, "a VirtualBox folder"),
];

/// The name of the network file system with this magic number.
#[cfg(target_os = "linux")]
pub fn network(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == magic & 0xFFFF_FFFF).map(|(_, name)| *name)
}

/// Refuses a directory on a network file system.
pub(crate) fn check_place(path: &Path) -> Result<(), StoreError> {
    #[cfg(target_os = "linux")]
    {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let found = rustix::fs::statfs(dir)
            .map_err(|e| StoreError::File { at: path.display().to_string(), why: e.to_string() })?;
        if let Some(filesystem) = network(found.f_type as u64) {
            return Err(StoreError::Network { at: path.display().to_string(), filesystem });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    Ok(())
}

/// Makes the file, for its user alone, if it is not there: SQLite gives its log and shared memory the same mode.
pub(crate) fn make(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            Err(StoreError::Full { at: path.display().to_string() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            Err(StoreError::ReadOnly { at: path.display().to_string() })
        }
        Err(error) => {
            Err(StoreError::File { at: path.display().to_string(), why: error.to_string() })
        }
    }
}

/// Less than a database needs to breathe is left on its disk.
pub(crate) fn no_space(path: &Path) -> bool {
    const BREATH: u64 = 256 * 1024;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(dir).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < BREATH)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_number() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0x0102_1997), Some("9p"));
        // f_type is signed on some machines: CIFS comes sign-extended.
        assert_eq!(network(0xFFFF_FFFF_FF53_4D42), Some("CIFS"));
        assert_eq!(network(0xEF53), None, "ext4");
        assert_eq!(network(0x0102_1994), None, "tmpfs");
    }
}
