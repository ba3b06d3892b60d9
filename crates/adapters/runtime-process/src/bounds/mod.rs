//! Bounds: the most an instance may use. The kernel holds them where control groups are writable (`group`); the shim
//! watches where they are not, and always watches files, for which there is no group (`watch`). RLIMIT_AS is never used:
//! programs reserve far more than they use.

mod count;
mod group;
mod watch;

pub(crate) use group::{Group, Held, held, remove_all};
pub(crate) use watch::{Look, Watch};

use tow_record::Bounds;

/// What is held where nothing is said, in a sandbox.
const PROCESSES: u64 = 4096;
const DISK: u64 = 10 << 30;

/// What a sandbox is held to by itself: no fork bomb, no full disk, and not all of the machine's memory. `free`: bytes
/// on the disk that holds its folder.
pub(crate) fn of_a_sandbox(free: u64) -> Bounds {
    Bounds {
        memory: memory_of_machine().map(|total| total / 5 * 4),
        cpu_millis: None,
        processes: Some(PROCESSES),
        disk: Some(DISK.min(free / 2).max(1 << 20)),
    }
}

fn memory_of_machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// For people: `64 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (name, unit) in UNITS {
        if bytes >= unit {
            let tenths = bytes / (unit / 10).max(1);
            return if tenths.is_multiple_of(10) || tenths >= 1000 {
                format!("{} {name}", bytes / unit)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_read_by_people() {
        assert_eq!(super::bytes(64 << 20), "64 MiB");
        assert_eq!(super::bytes(3 << 29), "1.5 GiB");
        assert_eq!(super::bytes(512), "512 bytes");
    }
}
