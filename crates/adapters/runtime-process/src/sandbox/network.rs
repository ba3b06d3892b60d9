//! A network of a sandbox's own: the program that leads out of it (slirp4netns, beside the sandbox), and what the machine
//! must be asked for before the sandbox's first process can see to the rest. How connections come in, and what of the
//! machine's loopback is seen inside, is in `relay`.

use super::Found;
use crate::folder::Folder;
use crate::proc;
use crate::state::Process;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The device through which a sandbox's network leads out.
pub(super) const DEVICE: &str = "tap0";
/// Where the machine's loopback is, as seen from inside.
pub(super) const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Who answers for names there: the machine's own resolvers, whichever these are.
const NAMES: &str = "nameserver 10.0.2.3\n";
/// Says that the sandbox is whole: before, bubblewrap is still at its network itself.
const UP: &str = "echo up; exec sleep 10";
/// How long the first try may take.
const TRIED: Duration = Duration::from_secs(5);
/// What could be made once can be made again; what could not is tried again each time.
static WORKS: OnceLock<PathBuf> = OnceLock::new();

/// How a sandbox's own network is made, fixed when the instance is prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Network {
    /// The program that leads out of it.
    pub(crate) slirp: PathBuf,
    /// Ports of the machine's loopback that its configuration names, and that it is to find at its own.
    pub(crate) loopback: BTreeSet<u16>,
}

/// Looks, and tries once whether it works. Blocks for some tens of milliseconds the first time.
pub(crate) fn find(bwrap: &Path, path: &OsStr) -> Found {
    if !rustix::process::geteuid().is_root() {
        return Found::Not(
            "sandboxes have no network of their own where the platform is no root: run the \
             platform as root"
                .into(),
        );
    }
    if let Some(slirp) = WORKS.get().filter(|slirp| slirp.is_file()) {
        return Found::At(slirp.clone());
    }
    let places = std::env::split_paths(path).chain(super::find::PLACES.map(PathBuf::from));
    let Some(slirp) = places.map(|place| place.join("slirp4netns")).find(|at| at.is_file()) else {
        return Found::Not(
            "slirp4netns, which leads out of a sandbox's own network, is not installed: install \
             the package slirp4netns"
                .into(),
        );
    };
    match tried(bwrap, &slirp) {
        Ok(()) => {
            let _ = WORKS.set(slirp.clone());
            Found::At(slirp)
        }
        Err(why) => Found::Not(format!(
            "a sandbox can't have a network of its own here: {why}; slirp4netns needs /dev/net/tun \
             and leave to make network namespaces"
        )),
    }
}

/// Gives an empty sandbox a network.
#[expect(
    clippy::disallowed_methods,
    reason = "a table of the kernel's, which tells nobody that it changed"
)]
fn tried(bwrap: &Path, slirp: &Path) -> Result<(), String> {
    let broken = |err: io::Error| err.to_string();
    let (told, info) = io::pipe().map_err(broken)?;
    let (said, says) = io::pipe().map_err(broken)?;
    let mut sandbox = Command::new(bwrap);
    let user = super::Confined::new(bwrap.into(), Vec::new()).user;
    sandbox.args(super::view::namespaces(user, true));
    sandbox.args(["--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]);
    // Only the standard streams reach it by numbers we know.
    sandbox.args(["--info-fd", "2", "--", "/bin/sh", "-c", UP]);
    sandbox.env_clear().stdin(Stdio::null()).stdout(says).stderr(info);
    let spawned = sandbox.spawn().map_err(broken);
    // Ours of their ends, so that theirs are the last.
    drop(sandbox);
    let mut sandbox = spawned?;
    let done = first_child(said, told).and_then(|pid| {
        let (leads, ends) = io::pipe().map_err(broken)?;
        let mut slirp = command(slirp, pid, leads.into())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|err| format!("{}: {err}", slirp.display()))?;
        let until = Instant::now() + TRIED;
        let done = loop {
            if leads_out(&format!("/proc/{pid}/net/route")) {
                break Ok(());
            }
            if let Ok(Some(_)) = slirp.try_wait() {
                let words =
                    slirp.stderr.take().map(BufReader::new).map(|words| {
                        words.lines().map_while(Result::ok).last().unwrap_or_default()
                    });
                break Err(words.filter(|text| !text.is_empty()).unwrap_or("no word why".into()));
            }
            if until <= Instant::now() {
                break Err("it was not ready in time".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        drop(ends);
        let _ = slirp.kill();
        let _ = slirp.wait();
        done
    });
    let _ = sandbox.kill();
    let _ = sandbox.wait();
    done
}

/// The pid that bubblewrap tells, once the sandbox is whole.
fn first_child(said: io::PipeReader, told: io::PipeReader) -> Result<u32, String> {
    let mut word = String::new();
    BufReader::new(said).read_line(&mut word).map_err(|err| err.to_string())?;
    let mut told = BufReader::new(told);
    let mut text = String::new();
    while !text.contains('}') {
        if told.read_line(&mut text).map_err(|err| err.to_string())? == 0 {
            return Err(format!("bubblewrap made no sandbox with a network: {}", text.trim()));
        }
    }
    if word.trim() != "up" {
        return Err("bubblewrap made no sandbox with a network".into());
    }
    let told: serde_json::Value = serde_json::from_str(&text).map_err(|err| err.to_string())?;
    told.get("child-pid")
        .and_then(serde_json::Value::as_u64)
        .and_then(|pid| u32::try_from(pid).ok())
        .ok_or_else(|| "bubblewrap told no pid".into())
}

/// It ends with its standard input: with the last who can write there.
fn command(slirp: &Path, pid: u32, ends: OwnedFd) -> Command {
    let mut command = Command::new(slirp);
    // Not with --enable-sandbox: it leaves the root it came from by a detach that travels to the machine's own view, and
    // takes the networks of every container of an engine (/run/netns) away from it.
    command.args(["--configure", "--mtu=65520", "--exit-fd=0"]);
    command.arg(pid.to_string()).arg(DEVICE);
    command.env_clear().current_dir("/").process_group(0);
    command.stdin(ends).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Does this table of routes lead out?
pub(super) fn leads_out(table: &str) -> bool {
    let text = std::fs::read_to_string(table).unwrap_or_default();
    text.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(DEVICE) && fields.next() == Some("00000000")
    })
}

/// Starts the way out of a first process's network. It ends when nobody holds what is returned: the first process is
/// handed it, so that both end together, whoever else is killed.
pub(crate) fn start(
    network: &Network,
    folder: &Folder,
    pid: u32,
) -> io::Result<(Process, OwnedFd)> {
    let path = folder.path().join("net.fifo");
    match mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let ends = File::options().read(true).custom_flags(nonblocking).open(&path)?;
    let holds = OpenOptions::new().write(true).open(&path)?;
    let child = command(&network.slirp, pid, ends.into())
        .spawn()
        .map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", network.slirp.display())))?;
    let stat = proc::stat(child.id())
        .ok_or_else(|| io::Error::other("the way out of its network is not in /proc"))?;
    let process = Process {
        pid: child.id(),
        started: stat.started,
        session: stat.session,
        at: crate::wall::now(),
    };
    Ok((process, holds.into()))
}

/// Ports below 1024 are as good as any other in a network that is nobody else's. Only root can say so from here.
pub(crate) fn open_low_ports(pid: u32) -> io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let network = File::open(format!("/proc/{pid}/ns/net"))?;
    // A thread of its own: it is in the other network for good.
    let done = std::thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
    });
    done.join().unwrap_or_else(|_| Err(io::Error::other("the thread broke")))
}

/// The machine's side of the program's ports, each on the machine's loopback.
pub(crate) fn listen(ports: &[u16]) -> Result<Vec<OwnedFd>, String> {
    let bind = |port: &u16| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *port))
            .map_err(|err| format!("cannot listen on 127.0.0.1:{port} for the sandbox: {err}"))?;
        Ok(listener.into())
    };
    ports.iter().map(bind).collect()
}

/// What the sandbox reads as its `resolv.conf`: the machine's, with names asked for inside its own network.
pub(crate) fn names() -> String {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let kept = text.lines().filter(|line| {
        ["search", "domain", "options"]
            .iter()
            .any(|word| line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '\t'])))
    });
    kept.fold(String::from(NAMES), |all, line| all + line + "\n")
}
