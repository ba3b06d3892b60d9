//! The disk below the data directory: space, inodes, and what kind of file system it is.

use super::finding::Finding;
use super::scene::{Scene, bytes};
use std::path::{Path, PathBuf};

/// Below this little works.
const LITTLE: u64 = 64 << 20;
/// Below this a build or two fill it.
const SOME: u64 = 1 << 30;
/// Below this a disk of which little is left is named, however large it is.
const ENOUGH: u64 = 10 << 30;
/// One part of so many is little.
const PARTS: u64 = 20;

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let place = nearest(scene.layout.root());
    let mut found = Vec::new();
    match rustix::fs::statvfs(&place) {
        Ok(disk) => {
            let of = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
            found.push(space(of(disk.f_bavail), of(disk.f_blocks)));
            found.push(inodes(disk.f_favail, disk.f_files));
            if disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
                found.push(
                    Finding::fail("disk.writable", "the file system is read-only")
                        .cause("nothing can be kept; the kernel does that to a disk with errors")
                        .fix("look at the kernel's log; mount it for writing again"),
                );
            }
        }
        Err(error) => found.push(
            Finding::fail("disk.space", format!("{}: {error}", place.display()))
                .cause("the place can't be looked at"),
        ),
    }
    #[cfg(target_os = "linux")]
    if let Ok(found_fs) = rustix::fs::statfs(&place) {
        found.push(kind(found_fs.f_type as u64));
    }
    found
}

/// The place itself, or what is there above it.
pub(super) fn nearest(path: &Path) -> PathBuf {
    path.ancestors()
        .find(|place| place.exists())
        .map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}

fn space(free: u64, all: u64) -> Finding {
    let seen = format!("{} of {} free", bytes(free), bytes(all));
    let fix = "free some space; old backups, releases, the build cache and copies of tow (bin) are the usual weight";
    if free < LITTLE {
        Finding::fail("disk.space", seen).cause("the store can't be written soon").fix(fix)
    } else if free < SOME {
        Finding::warn("disk.space", seen).cause("a build or two may fill it").fix(fix)
    } else if free < ENOUGH && free < all / PARTS {
        Finding::warn("disk.space", seen).cause("the disk is nearly full").fix(fix)
    } else {
        Finding::ok("disk.space", seen)
    }
}

fn inodes(free: u64, all: u64) -> Finding {
    // Some file systems make them as they need them and say 0.
    if all == 0 {
        return Finding::ok("disk.inodes", "as many as there is space for");
    }
    let seen = format!("{free} of {all} free");
    let fix = "remove files that nobody needs: a disk can be full of small ones";
    if free < 1_000 {
        Finding::fail("disk.inodes", seen).cause("no file can be made soon").fix(fix)
    } else if free < 20_000 {
        Finding::warn("disk.inodes", seen).cause("an unpacked release may need as many").fix(fix)
    } else {
        Finding::ok("disk.inodes", seen)
    }
}

#[cfg(target_os = "linux")]
fn kind(magic: u64) -> Finding {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58F6;
    const OVERLAY: u64 = 0x794C_7630;
    let magic = magic & 0xFFFF_FFFF;
    if let Some(name) = tow_platform::network_filesystem(magic) {
        return Finding::fail("disk.kind", format!("the data directory lies on {name}"))
            .cause("it does not keep the locks a database needs")
            .fix("put the data directory on a disk of this machine, or the store into Postgres");
    }
    match magic {
        TMPFS | RAMFS => Finding::warn("disk.kind", "the data directory lies in memory")
            .cause("everything is gone after the next start of the machine")
            .fix("name a directory on a disk with --data DIR"),
        OVERLAY => Finding::warn("disk.kind", "the data directory lies on a container's own layer")
            .cause("everything is gone with the container")
            .fix("give the data directory a volume of its own"),
        0xEF53 => Finding::ok("disk.kind", "ext4"),
        0x5846_5342 => Finding::ok("disk.kind", "XFS"),
        0x9123_683E => Finding::ok("disk.kind", "Btrfs"),
        0x2FC1_2FC1 => Finding::ok("disk.kind", "ZFS"),
        other => Finding::ok("disk.kind", format!("a local file system ({other:#x})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn a_disk_that_is_nearly_full_is_named() {
        assert_eq!(space(1 << 20, 1 << 40).state, State::Fail);
        assert_eq!(space(500 << 20, 1 << 30).state, State::Warn);
        assert_eq!(space(2 << 30, 10 << 30).state, State::Ok);
        assert_eq!(space(3 << 30, 100 << 30).state, State::Warn);
        assert_eq!(space(20 << 30, 1 << 40).state, State::Ok);
        assert_eq!(inodes(10, 1000).state, State::Fail);
        assert_eq!(inodes(10_000, 100_000).state, State::Warn);
        assert_eq!(inodes(0, 0).state, State::Ok);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn file_systems_that_lose_data_are_named() {
        for (magic, state) in [
            (0x6969, State::Fail),
            (0x0102_1997, State::Fail),
            (0xFFFF_FFFF_FF53_4D42, State::Fail),
            (0x0102_1994, State::Warn),
            (0x794C_7630, State::Warn),
            (0xEF53, State::Ok),
            (0x1234, State::Ok),
        ] {
            assert_eq!(kind(magic).state, state, "{magic:#x}");
        }
    }
}
