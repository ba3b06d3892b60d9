//! The sockets that outlive the program: those that are bound for it, and those that it gives to be kept. All are handed
//! on at each start (LISTEN_FDS, LISTEN_FDNAMES). What is served on them is the program's.

use crate::folder::Folder;
use crate::state::Process;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use tow_record::InstanceSpec;

/// The most that a program can have kept.
const MOST: usize = 11_000;
/// Bytes of all their names, which must fit into one variable of its environment: the kernel takes 128 KiB.
const NAMES: usize = 120 * 1024;
/// Descriptors that the shim needs for all else.
const ELSE: usize = 64;
/// What a socket is called of which nobody said it, by the convention of LISTEN_FDNAMES.
const UNNAMED: &str = "stored";
/// What a bound one is called unless its address has a name in front: `https=127.0.0.1:7443`.
const BOUND: &str = "listen";

/// A socket and what it is called.
pub(super) struct Held {
    pub(super) name: String,
    pub(super) socket: TcpListener,
    /// Where it listens.
    at: String,
}

impl Held {
    fn new(name: String, socket: TcpListener) -> Self {
        let at = socket.local_addr().map(|at| at.to_string()).unwrap_or_default();
        Self { name, socket, at }
    }

    fn key(&self) -> String {
        if self.name == UNNAMED { format!("{UNNAMED} {}", self.at) } else { self.name.clone() }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Sockets {
    /// As the spec lists them; fewer where they could not be had.
    bound: Vec<Held>,
    /// By name, those without one by where they listen.
    kept: BTreeMap<String, Held>,
    /// Bytes of their names.
    names: usize,
    /// A program was told that no more can be kept.
    is_full: bool,
}

/// The name and the address of an entry of the spec's.
fn entry(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((BOUND, text))
}

impl Sockets {
    /// Binds them. After a shim was killed the program still has them: they are taken back from it, so that what it
    /// serves never stops being served; else the same addresses are bound again.
    pub(super) fn of(
        folder: &Folder,
        spec: &InstanceSpec,
        before: &[String],
        process: Option<&Process>,
    ) -> Result<Self, String> {
        let mut sockets = Self::default();
        if spec.listen.is_empty() {
            return Ok(sockets);
        }
        more_descriptors();
        if let Some(process) = process.filter(|process| crate::proc::lives(process)) {
            // Binding would fail: the program has them. Without them the next start tries to bind.
            sockets.take_back(folder, spec, before, taken_back(process));
            return Ok(sockets);
        }
        sockets.complete(spec, before)?;
        Ok(sockets)
    }

    /// Binds what is missing, where it was bound before.
    pub(super) fn complete(
        &mut self,
        spec: &InstanceSpec,
        before: &[String],
    ) -> Result<(), String> {
        for (number, text) in spec.listen.iter().enumerate().skip(self.bound.len()) {
            let (name, wanted) = entry(text);
            let address = before.get(number).map_or(wanted, String::as_str);
            let socket = TcpListener::bind(address).map_err(|err| match err.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("cannot listen on {address}: another program already does")
                }
                _ => format!("cannot listen on {address}: {err}"),
            })?;
            self.bound.push(Held::new(name.into(), socket));
        }
        Ok(())
    }

    /// Where the bound ones listen, in the spec's order.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.bound.iter().map(|held| held.at.clone()).collect()
    }

    /// Those that are handed on.
    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.bound.iter().chain(self.kept.values())
    }

    /// Keeps a socket that the program gave; one of the same name goes. The word for the log where it can't be kept.
    pub(super) fn keep(&mut self, name: String, socket: OwnedFd) -> Option<String> {
        let listens = rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false);
        let held = Held::new(name, TcpListener::from(socket));
        if !listens || held.at.is_empty() {
            return Some(format!("{:?} is no listening TCP socket: not kept", held.name));
        }
        self.forget(&held.key());
        if self.kept.len() >= room() || self.names + held.name.len() > NAMES {
            let (first, kept) = (!std::mem::replace(&mut self.is_full, true), self.kept.len());
            return first.then(|| format!("{kept} sockets are kept, and no more"));
        }
        self.put(held);
        None
    }

    /// The program needs these no more.
    pub(super) fn forget(&mut self, name: &str) {
        if name == UNNAMED {
            self.kept.retain(|_, held| held.name != UNNAMED);
            self.names = self.kept.values().map(|held| held.name.len() + 1).sum();
        } else if let Some(held) = self.kept.remove(name) {
            self.names -= held.name.len() + 1;
            self.is_full = false;
        }
    }

    fn put(&mut self, held: Held) {
        self.names += held.name.len() + 1;
        self.kept.insert(held.key(), held);
    }

    /// Writes down what they are called, for another shim.
    pub(super) fn note(&self, folder: &Folder) {
        let names: Vec<(&str, &str)> =
            self.kept.values().map(|held| (held.name.as_str(), held.at.as_str())).collect();
        // Without it they are kept all the same, under another name.
        let bytes = serde_json::to_vec(&names).unwrap_or_default();
        let _ = crate::folder::replace(&folder.sockets(), &bytes, false);
    }

    fn take_back(
        &mut self,
        folder: &Folder,
        spec: &InstanceSpec,
        before: &[String],
        mut found: Vec<TcpListener>,
    ) {
        let at = |socket: &TcpListener| socket.local_addr().map(|at| at.to_string()).ok();
        for (address, text) in before.iter().zip(&spec.listen) {
            let place = found.iter().position(|socket| at(socket).as_ref() == Some(address));
            let Some(place) = place else { break };
            let name = entry(text).0.to_string();
            self.bound.push(Held::new(name, found.swap_remove(place)));
        }
        let names: Vec<(String, String)> = std::fs::read(folder.sockets())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let names: std::collections::HashMap<String, String> =
            names.into_iter().map(|(name, address)| (address, name)).collect();
        for socket in found.into_iter().take(room()) {
            let name = at(&socket).and_then(|address| names.get(&address).cloned());
            self.put(Held::new(name.unwrap_or_else(|| UNNAMED.into()), socket));
        }
    }
}

/// How many can be kept.
fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(ELSE).min(MOST)
}

/// As many as the machine lets us have; only the shims of what is handed sockets need them.
fn more_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Fewer are kept where that fails.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The listening TCP sockets of a process.
#[cfg(target_os = "linux")]
fn taken_back(process: &Process) -> Vec<TcpListener> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let Some(Ok(whole)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return Vec::new();
    };
    if !crate::proc::lives(process) {
        return Vec::new();
    }
    let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", process.pid)) else {
        return Vec::new();
    };
    let is_socket = |entry: &std::fs::DirEntry| {
        std::fs::read_link(entry.path())
            .is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
    };
    let mut numbers: Vec<i32> = entries
        .flatten()
        .filter(is_socket)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let mut seen = std::collections::HashSet::new();
    numbers
        .into_iter()
        .filter_map(|number| {
            let fd = pidfd_getfd(&whole, number, PidfdGetfdFlags::empty()).ok()?;
            // Connections are none of ours, and neither are sockets with a path.
            if !rustix::net::sockopt::socket_acceptconn(&fd).ok()? {
                return None;
            }
            let listener = TcpListener::from(fd);
            let at = listener.local_addr().ok()?;
            seen.insert(at).then_some(listener)
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn taken_back(_: &Process) -> Vec<TcpListener> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_kept_under_its_name_until_it_is_forgotten() {
        let mut sockets = Sockets::default();
        let listen = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let names = |sockets: &Sockets| {
            sockets.all().map(|held| held.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(sockets.keep("a".into(), listen()), None);
        assert_eq!(sockets.keep("b".into(), listen()), None);
        assert_eq!(sockets.keep("a".into(), listen()), None);
        assert_eq!(names(&sockets), "a b");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(sockets.keep("c".into(), file.into()).unwrap().contains("not kept"));
        sockets.forget("b");
        assert_eq!(names(&sockets), "a");
        let (long, room) = ("x".repeat(250), NAMES / 251);
        let mut words = 0;
        for number in 0..room + 3 {
            words += usize::from(sockets.keep(format!("{number}{long}"), listen()).is_some());
        }
        assert_eq!(words, 1, "said once");
        assert!(sockets.kept.len() < room, "what would not fit into the environment is not kept");
    }

    #[test]
    fn an_address_may_have_a_name() {
        assert_eq!(entry("https=127.0.0.1:7443"), ("https", "127.0.0.1:7443"));
        assert_eq!(entry("127.0.0.1:7080"), ("listen", "127.0.0.1:7080"));
    }
}
