//! What the kernel offers and what it allows: cgroups, sandboxes, subreaper, namespaces, open files, memory.

use super::finding::Finding;
use super::scene::{Scene, bytes};
use rustix::process::{Resource, getrlimit};
use std::path::Path;
use tow_platform::Offers;

/// A gateway under load needs two descriptors a request.
const FILES: u64 = 4_096;
/// Below this a build pushes something out.
const MEMORY: u64 = 256 << 20;

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let offers = tow_platform::offers(&scene.path);
    vec![
        groups(&offers),
        sandbox(&offers),
        own_network(&offers),
        fences(&offers),
        subreaper(),
        namespaces(Path::new("/proc/sys")),
        files(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum),
        memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
    ]
}

fn groups(offers: &Offers) -> Finding {
    let check = "machine.cgroups";
    let all = [("memory", offers.memory), ("cpu", offers.cpu), ("pids", offers.processes)];
    let list = |wanted: bool| -> String {
        let names = all.iter().filter(|(_, has)| *has == wanted).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let version = match offers.groups {
        0 => "none".to_string(),
        version => format!("version {version}"),
    };
    if all.iter().all(|(_, has)| *has) {
        return Finding::ok(check, format!("{version}: the kernel holds {}", list(true)));
    }
    let seen = format!("{version}: {} can't be held", list(false));
    Finding::warn(check, seen)
        .cause("memory and processes are watched four times a second instead; processor time is not limited")
        .fix("run tow up as root, or in a service of systemd with Delegate=yes")
}

fn sandbox(offers: &Offers) -> Finding {
    let check = "machine.sandbox";
    match &offers.no_sandbox {
        None => Finding::ok(check, "there: processes can be kept in sandboxes"),
        Some(why) => {
            let (seen, fix) = why.split_once(": ").unwrap_or((why, "see docs/concepts/isolation"));
            Finding::warn(check, seen).cause("runtimes of isolation sandbox are refused").fix(fix)
        }
    }
}

fn own_network(offers: &Offers) -> Finding {
    let check = "machine.own-network";
    match &offers.no_network {
        None => Finding::ok(check, "there: sandboxed programs can listen on fixed ports"),
        Some(why) => {
            let (seen, fix) = why.split_once(": ").unwrap_or((why, "see docs/concepts/isolation"));
            Finding::warn(check, seen)
                .cause("in a sandbox, a workload that says targetPort is refused")
                .fix(fix)
        }
    }
}

fn fences(offers: &Offers) -> Finding {
    let check = "machine.confinement";
    let all = [
        ("seccomp", offers.filters),
        ("Landlock for ports", offers.ports),
        ("Landlock for sockets without a path", offers.names),
    ];
    let missing: Vec<_> = all.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Finding::ok(check, "seccomp and Landlock: there");
    }
    Finding::warn(check, format!("not there: {}", missing.join(", ")))
        .cause("a sandboxed program can reach more of the machine than it needs")
        .fix("use Linux 6.12 or newer, with lsm=landlock among its arguments where it is built in")
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
        let mut offers = Offers {
            no_sandbox: None,
            no_network: None,
            memory: true,
            cpu: true,
            processes: true,
            groups: 1,
            filters: true,
            ports: true,
            names: true,
        };
        assert_eq!(groups(&offers).seen, "version 1: the kernel holds memory, cpu, pids");
        assert_eq!((sandbox(&offers).state, fences(&offers).state), (State::Ok, State::Ok));
        offers.memory = false;
        assert_eq!(groups(&offers).seen, "version 1: memory can't be held");
        offers.no_sandbox = Some("it is not installed: install the package".into());
        assert_eq!(sandbox(&offers).fix, "install the package");
        offers.no_network = Some("it is not installed: install another".into());
        assert_eq!(own_network(&offers).fix, "install another");
        offers.ports = false;
        assert_eq!(fences(&offers).seen, "not there: Landlock for ports");
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
