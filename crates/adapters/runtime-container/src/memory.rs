//! Whether a program was killed because of its memory. Engines seldom notice where it is not their own child that is
//! killed, so the kernel's count is read at the moment the program ends, before the engine has cleaned up.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::path::PathBuf;

/// Returns when the process has ended: was anything of its group killed for want of memory? Never where nobody can say.
pub(crate) async fn killed(pid: Option<u32>) -> bool {
    let Some((pid, count)) = pid.and_then(|pid| Some((pid, count_of(pid)?))) else {
        return std::future::pending().await;
    };
    let fd = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let fd = fd.and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
    #[expect(deprecated, reason = "an owned descriptor stays what it is, and `register` is unsafe")]
    let fd = fd.and_then(|fd| tokio::io::unix::AsyncFd::new(fd).ok());
    let Some(fd) = fd else { return std::future::pending().await };
    let _ = fd.readable().await;
    let text = std::fs::read_to_string(count).unwrap_or_default();
    kills(&text) > 0
}

/// The file in which the kernel counts, in either version of cgroups.
fn count_of(pid: u32) -> Option<PathBuf> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let of = |name: &str| {
        groups.lines().find_map(|line| {
            let (which, path) = line.split_once(':')?.1.split_once(':')?;
            which
                .split(',')
                .any(|one| one == name)
                .then(|| path.trim_start_matches('/').to_string())
        })
    };
    let root = PathBuf::from("/sys/fs/cgroup");
    let files = [
        of("memory").map(|path| root.join("memory").join(path).join("memory.oom_control")),
        of("").map(|path| root.join(path).join("memory.events")),
    ];
    files.into_iter().flatten().find(|file| file.exists())
}

fn kills(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(kills("low 0\noom 1\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(kills(""), 0);
    }
}
