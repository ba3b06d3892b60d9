//! What the kernel offers and what it allows: cgroups, subreaper, namespaces, open files, memory.

use super::finding::Finding;
use super::scene::{Scene, bytes};
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// A gateway under load needs two descriptors a request.
const FILES: u64 = 4_096;
/// Below this a build pushes something out.
const MEMORY: u64 = 256 << 20;

pub(super) fn look(_: &Scene) -> Vec<Finding> {
    vec![
        cgroups(Path::new("/sys/fs/cgroup")),
        subreaper(),
        namespaces(Path::new("/proc/sys")),
        files(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum),
        memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
    ]
}

fn cgroups(root: &Path) -> Finding {
    let check = "machine.cgroups";
    if let Ok(text) = std::fs::read_to_string(root.join("cgroup.controllers")) {
        return Finding::ok(check, format!("version 2: {}", text.trim()));
    }
    if root.join("memory").is_dir() || root.join("unified").is_dir() {
        return Finding::ok(
            check,
            "version 1: limits on memory are kept by watching, not by the kernel",
        );
    }
    Finding::ok(check, "none: limits on memory are kept by watching")
}

fn subreaper() -> Finding {
    let check = "machine.subreaper";
    #[cfg(target_os = "linux")]
    if rustix::process::child_subreaper().is_ok() {
        return Finding::ok(check, "there: what a workload leaves behind is found and ended");
    }
    Finding::warn(check, "not there")
        .cause("children that a workload leaves behind may outlive it")
        .fix("use Linux 3.4 or newer")
}

fn namespaces(sys: &Path) -> Finding {
    let number = |name: &str| -> Option<u64> {
        std::fs::read_to_string(sys.join(name)).ok()?.trim().parse().ok()
    };
    let check = "machine.user-namespaces";
    let why = if number("user/max_user_namespaces").is_none_or(|most| most == 0) {
        Some("the kernel allows none")
    } else if number("kernel/unprivileged_userns_clone") == Some(0) {
        Some("only root may make them")
    } else if number("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        Some("AppArmor holds them back")
    } else {
        None
    };
    Finding::ok(check, why.map_or("there".into(), |why| format!("not there: {why}")))
}

fn files(soft: Option<u64>, hard: Option<u64>) -> Finding {
    let check = "machine.open-files";
    let Some(soft) = soft else { return Finding::ok(check, "as many as one likes") };
    let seen = format!("{soft} at most");
    if soft >= FILES {
        return Finding::ok(check, seen);
    }
    let fix = match hard {
        Some(hard) if hard < FILES => {
            format!("raise the hard limit of {hard} first (limits.conf, LimitNOFILE)")
        }
        _ => format!("ulimit -n {FILES}, before tow up"),
    };
    Finding::warn(check, seen).cause("a gateway under load needs more").fix(fix)
}

fn memory(meminfo: &str) -> Finding {
    let check = "machine.memory";
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let Some(free) = kib.map(|kib| kib << 10) else {
        return Finding::ok(check, "not known here");
    };
    let seen = format!("{} available", bytes(free));
    if free < MEMORY {
        return Finding::warn(check, seen)
            .cause("the kernel may end workloads to get some")
            .fix("stop what is not needed, or scale down");
    }
    Finding::ok(check, seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn what_the_kernel_offers_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(cgroups(dir.path()).seen.starts_with("none"));
        std::fs::create_dir(dir.path().join("memory")).unwrap();
        assert!(cgroups(dir.path()).seen.starts_with("version 1"));
        std::fs::write(dir.path().join("cgroup.controllers"), "cpu memory\n").unwrap();
        assert_eq!(cgroups(dir.path()).seen, "version 2: cpu memory");
        assert!(namespaces(dir.path()).seen.contains("allows none"));
        std::fs::create_dir_all(dir.path().join("user")).unwrap();
        std::fs::write(dir.path().join("user/max_user_namespaces"), "100\n").unwrap();
        assert_eq!(namespaces(dir.path()).seen, "there");
        std::fs::create_dir_all(dir.path().join("kernel")).unwrap();
        std::fs::write(dir.path().join("kernel/unprivileged_userns_clone"), "0\n").unwrap();
        assert!(namespaces(dir.path()).seen.contains("only root"));
    }

    #[test]
    fn small_limits_are_named() {
        assert_eq!(files(Some(256), None).state, State::Warn);
        assert!(files(Some(256), Some(512)).fix.contains("hard limit of 512"));
        assert_eq!(files(Some(65_536), None).state, State::Ok);
        assert_eq!(files(None, None).state, State::Ok);
        assert_eq!(memory("MemAvailable:   1024 kB\n").state, State::Warn);
        assert_eq!(memory("MemAvailable: 8388608 kB\n").state, State::Ok);
        assert_eq!(memory("").state, State::Ok);
    }
}
