//! Control groups, version 1 and 2 alike: one of the platform's below its own, and below that one for each instance.
//! What can't be made is not held, and whoever asked is told so; nothing of anybody else's is touched.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tow_record::Bounds;

/// What the kernel can hold here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) memory: bool,
    pub(crate) cpu: bool,
    pub(crate) processes: bool,
    /// Of control groups.
    pub(crate) version: u8,
}

/// An instance's groups, one a controller; with version 2 the same one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    #[serde(default)]
    pub(crate) memory: Option<PathBuf>,
    #[serde(default)]
    pub(crate) cpu: Option<PathBuf>,
    #[serde(default)]
    pub(crate) processes: Option<PathBuf>,
}

/// Where groups of a controller can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Above {
    One(PathBuf),
    /// The first that takes it: our own group, then the top.
    Two([PathBuf; 2]),
}

/// Takes the platform's own groups away, once no instance has one.
pub(crate) fn remove_all(platform: &str) {
    for controller in ["memory", "cpu", "pids"] {
        match find(controller) {
            Some(Above::One(dir)) => drop(std::fs::remove_dir(dir.join(platform))),
            Some(Above::Two(dirs)) => {
                for dir in dirs {
                    let _ = std::fs::remove_dir(dir.join(platform));
                }
            }
            None => {}
        }
    }
}

/// What can be held, by a look at who may write; nothing is made.
pub(crate) fn held() -> Held {
    let may = |path: PathBuf| {
        rustix::fs::access(&path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXISTS).is_ok()
    };
    let has = |controller| match find(controller) {
        Some(Above::One(dir)) => may(dir),
        Some(Above::Two(dirs)) => {
            dirs.into_iter().any(|dir| may(dir.join("cgroup.subtree_control")))
        }
        None => false,
    };
    let version = match find("memory").or_else(|| find("pids")) {
        Some(Above::One(_)) => 1,
        Some(Above::Two(_)) => 2,
        None => 0,
    };
    Held { memory: has("memory"), cpu: has("cpu"), processes: has("pids"), version }
}

impl Group {
    /// Makes the groups that these bounds need, as far as they can be made. Again: the same groups.
    pub(crate) fn make(platform: &str, name: &str, bounds: &Bounds) -> Self {
        let made = |controller: &str, wanted: bool| {
            let above = find(controller).filter(|_| wanted)?;
            let dir = ours(&above, platform, controller)?.join(name);
            match std::fs::create_dir(&dir) {
                Err(err) if err.kind() != io::ErrorKind::AlreadyExists => None,
                _ => Some((dir, matches!(above, Above::One(_)))),
            }
        };
        let keep = |made: Option<(PathBuf, bool)>, set: &dyn Fn(&Path, bool) -> io::Result<()>| {
            made.and_then(|(dir, is_one)| set(&dir, is_one).is_ok().then_some(dir))
        };
        let memory = made("memory", bounds.memory.is_some());
        let cpu = made("cpu", bounds.cpu_millis.is_some());
        let processes = made("pids", bounds.processes.is_some());
        Self {
            memory: keep(memory, &|dir, one| set_memory(dir, one, bounds.memory.unwrap_or(0))),
            cpu: keep(cpu, &|dir, one| set_cpu(dir, one, bounds.cpu_millis.unwrap_or(0))),
            processes: keep(processes, &|dir, _| {
                write(&dir.join("pids.max"), &bounds.processes.unwrap_or(0).to_string())
            }),
        }
    }

    fn dirs(&self) -> Vec<&PathBuf> {
        let mut dirs: Vec<_> =
            [&self.memory, &self.cpu, &self.processes].into_iter().flatten().collect();
        dirs.dedup();
        dirs
    }

    /// Puts a process in, with all that it will start.
    pub(crate) fn join(&self, pid: u32) -> io::Result<()> {
        self.dirs()
            .into_iter()
            .try_for_each(|dir| write(&dir.join("cgroup.procs"), &pid.to_string()))
    }

    /// How often a process was killed because memory reached its bound.
    pub(crate) fn killed_for_memory(&self) -> u64 {
        let Some(dir) = &self.memory else { return 0 };
        count(&dir.join("memory.events"), "oom_kill")
            .or_else(|| count(&dir.join("memory.oom_control"), "oom_kill"))
            .unwrap_or(0)
    }

    /// How often a new process was refused.
    pub(crate) fn refused_processes(&self) -> u64 {
        let events = self.processes.as_ref().map(|dir| dir.join("pids.events"));
        events.and_then(|path| count(&path, "max")).unwrap_or(0)
    }

    /// Takes the groups away, once nobody is in them.
    pub(crate) fn remove(&self) {
        for dir in self.dirs() {
            // A process that was reaped just now may still be counted.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

/// Version 1 counts swap apart: it would else be the way round the bound.
fn set_memory(dir: &Path, is_one: bool, most: u64) -> io::Result<()> {
    let most = most.to_string();
    if is_one {
        write(&dir.join("memory.limit_in_bytes"), &most)?;
        let with_swap = dir.join("memory.memsw.limit_in_bytes");
        if with_swap.exists() { write(&with_swap, &most) } else { Ok(()) }
    } else {
        write(&dir.join("memory.max"), &most)?;
        let swap = dir.join("memory.swap.max");
        if swap.exists() { write(&swap, "0") } else { Ok(()) }
    }
}

fn set_cpu(dir: &Path, is_one: bool, millis: u64) -> io::Result<()> {
    const PERIOD: u64 = 100_000;
    let quota = (millis * PERIOD / 1000).max(1000);
    if is_one {
        write(&dir.join("cpu.cfs_period_us"), &PERIOD.to_string())?;
        write(&dir.join("cpu.cfs_quota_us"), &quota.to_string())
    } else {
        write(&dir.join("cpu.max"), &format!("{quota} {PERIOD}"))
    }
}

/// The files of a group are there already, and take a value in one write.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

fn count(path: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

/// The platform's own group of a controller, with everything on that its groups need.
fn ours(above: &Above, platform: &str, controller: &str) -> Option<PathBuf> {
    let made = |dir: PathBuf| match std::fs::create_dir(&dir) {
        Err(err) if err.kind() != io::ErrorKind::AlreadyExists => None,
        _ => Some(dir),
    };
    match above {
        Above::One(dir) => made(dir.join(platform)),
        Above::Two(dirs) => dirs.iter().find_map(|dir| {
            let on = format!("+{controller}");
            write(&dir.join("cgroup.subtree_control"), &on).ok()?;
            let own = made(dir.join(platform))?;
            write(&own.join("cgroup.subtree_control"), &on).ok()?;
            Some(own)
        }),
    }
}

/// Where this process is, for a controller.
fn find(controller: &str) -> Option<Above> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    above(controller, &mounts, &own)
}

fn above(controller: &str, mounts: &str, own: &str) -> Option<Above> {
    // `N:controllers:path`; version 2 has no controllers there.
    let own_path = |wanted: &str| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            names.split(',').any(|name| name == wanted).then(|| path.to_string())
        })
    };
    let mut two = None;
    for line in mounts.lines() {
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        let place: Vec<&str> = place.split(' ').collect();
        let kind: Vec<&str> = kind.split(' ').collect();
        let (&[_, _, _, root, at, ..], &[kind, _, options, ..]) = (&place[..], &kind[..]) else {
            continue;
        };
        let below = |path: &str| {
            // Where only a part of the tree is mounted, paths begin at its root.
            let path = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
            Path::new(at).join(path.trim_start_matches('/'))
        };
        match kind {
            "cgroup" if options.split(',').any(|option| option == controller) => {
                return Some(Above::One(below(&own_path(controller)?)));
            }
            "cgroup2" => {
                let path = below(&own_path("")?);
                let has = std::fs::read_to_string(path.join("cgroup.controllers"))
                    .is_ok_and(|list| list.split_whitespace().any(|name| name == controller));
                two = has.then(|| Above::Two([path, PathBuf::from(at)]));
            }
            _ => {}
        }
    }
    two
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_is_found_by_its_controller() {
        let mounts = "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      35 31 0:32 /part /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "8:pids:/part/deep\n4:memory:/a/b\n0::/\n";
        let memory = Above::One("/sys/fs/cgroup/memory/a/b".into());
        assert_eq!(above("memory", mounts, own), Some(memory));
        let pids = Above::One("/sys/fs/cgroup/pids/deep".into());
        assert_eq!(above("pids", mounts, own), Some(pids));
        assert_eq!(above("io", mounts, own), None);
    }

    #[test]
    fn version_two_is_found_by_what_it_controls() {
        let top = tempfile::tempdir().unwrap();
        let own = top.path().join("user.slice/x");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let mounts = format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n", top.path().display());
        let found = above("memory", &mounts, "0::/user.slice/x\n");
        assert_eq!(found, Some(Above::Two([own, top.path().to_path_buf()])));
        assert_eq!(above("io", &mounts, "0::/user.slice/x\n"), None);
    }

    #[test]
    fn counts_are_read_by_their_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory.events");
        std::fs::write(&path, "low 0\noom 2\noom_kill 3\n").unwrap();
        assert_eq!(count(&path, "oom_kill"), Some(3));
    }
}
