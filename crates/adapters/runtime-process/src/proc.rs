//! What `/proc` says: who lives, who belongs to an instance, who listens where. Reads only; signals are sent through
//! [`signal`], which never hits a pid that was given anew.

use crate::state::Process;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A line of `/proc/PID/stat`, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    /// `R`, `S`, `Z`, …
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// In ticks since boot.
    pub(crate) started: u64,
    pub(crate) threads: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, brackets included.
        let pid = text.split(' ').next()?.parse().ok()?;
        let rest: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        Some(Self {
            pid,
            state: *rest.first()?.as_bytes().first()?,
            parent: rest.get(1)?.parse().ok()?,
            group: rest.get(2)?.parse().ok()?,
            session: rest.get(3)?.parse().ok()?,
            started: rest.get(19)?.parse().ok()?,
            threads: rest.get(17)?.parse().ok()?,
        })
    }

    /// A zombie is dead: in a container nobody may ever reap it.
    const fn lives(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// By a signal, or by whoever traces it.
    pub(crate) const fn is_stopped(&self) -> bool {
        matches!(self.state, b'T' | b't')
    }
}

/// One process.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    use std::io::Read as _;
    // One read: a line is a few hundred bytes, and it is read often.
    let mut line = [0; 1024];
    let length = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    Stat::parse(&String::from_utf8_lossy(&line[..length]))
}

/// Is this very process alive?
pub(crate) fn lives(process: &Process) -> bool {
    stat(process.pid).is_some_and(|stat| stat.lives() && stat.started == process.started)
}

/// All living processes.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .filter(Stat::lives)
        .collect()
}

/// The living processes of the group or session that a process leads, or led.
pub(crate) fn led_by(pid: u32) -> Vec<Stat> {
    all().into_iter().filter(|stat| stat.group == pid || stat.session == pid).collect()
}

/// The boot of the machine, with the space in which pids are counted: pids of another one mean nothing here.
pub(crate) fn boot() -> std::io::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let space = std::fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(format!("{} {space}", boot.trim()))
}

/// How the processes of an instance are known.
pub(crate) struct Marks<'a> {
    /// The last process that was started.
    pub(crate) process: Option<Process>,
    /// The living shim, whose descendants they are, wherever they moved.
    pub(crate) shim: Option<u32>,
    /// The pipes that only they hold as their output; looking for these costs the most.
    pub(crate) fifos: Option<[&'a Path; 2]>,
}

/// The living processes of an instance: its group within its session, the shim's descendants, and whoever still has
/// the instance's pipe as its output.
pub(crate) fn members(marks: &Marks<'_>) -> Vec<Stat> {
    let everyone = all();
    let mut below: HashSet<u32> = marks.shim.into_iter().collect();
    if !below.is_empty() {
        // Parents are not sorted before children: go round until nothing is added; as deep as the tree at most.
        for _ in 0..everyone.len() {
            let before = below.len();
            for stat in &everyone {
                if below.contains(&stat.parent) {
                    below.insert(stat.pid);
                }
            }
            if below.len() == before {
                break;
            }
        }
    }
    let own = std::process::id();
    everyone
        .into_iter()
        .filter(|stat| stat.pid != own && Some(stat.pid) != marks.shim)
        .filter(|stat| {
            below.contains(&stat.pid)
                || marks.process.is_some_and(|process| {
                    stat.group == process.pid
                        && stat.session == process.session
                        && stat.started >= process.started
                })
                || marks.fifos.is_some_and(|fifos| {
                    [1, 2].iter().any(|fd| {
                        std::fs::read_link(format!("/proc/{}/fd/{fd}", stat.pid))
                            .is_ok_and(|link| fifos.contains(&link.as_path()))
                    })
                })
        })
        .collect()
}

/// Sends a signal to this very process, or to nobody.
pub(crate) fn signal(target: &Stat, signal: Signal) {
    let Some(pid) = i32::try_from(target.pid).ok().and_then(Pid::from_raw) else { return };
    // The descriptor first: once it is open the pid can't be given anew unnoticed.
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if stat(target.pid).is_some_and(|now| now.started == target.started) {
        let _ = pidfd_send_signal(&fd, signal);
    }
}

/// The TCP ports on which these processes listen, sorted.
pub(crate) fn listening(pids: &[u32]) -> Vec<u16> {
    let mut inodes = HashSet::new();
    for pid in pids {
        let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for fd in fds.flatten() {
            let Ok(link) = std::fs::read_link(fd.path()) else { continue };
            let inode = link.to_str().and_then(|link| {
                link.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            inodes.extend(inode);
        }
    }
    let mut ports = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = std::fs::read_to_string(PathBuf::from(table)) else { continue };
        ports.extend(text.lines().skip(1).filter_map(|line| listener(line, &inodes)));
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The TCP ports that somebody listens on in the network of a process, sorted.
pub(crate) fn listening_beside(pid: u32) -> Vec<u16> {
    let mut ports = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        ports.extend(text.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = fields.get(1)?.rsplit_once(':')?.1;
            (*fields.get(3)? == "0A").then(|| u16::from_str_radix(port, 16).ok()).flatten()
        }));
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The port of a line of `/proc/net/tcp`, if it is a listener (state 0A) with one of these inodes.
fn listener(line: &str, inodes: &HashSet<u64>) -> Option<u16> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != "0A" || !inodes.contains(&fields.get(9)?.parse().ok()?) {
        return None;
    }
    u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let line = "42 (a ) b (c) d) S 1 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.pid, stat.state, stat.parent), (42, b'S', 1));
        assert_eq!((stat.group, stat.session, stat.started), (42, 40, 98765));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn own_listeners_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listening(&[std::process::id()]).contains(&port));
        assert!(!listening(&[]).contains(&port));
    }
}
