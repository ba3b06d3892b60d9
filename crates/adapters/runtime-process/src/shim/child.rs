//! Starts the program's process, in two steps: the child exists and is written down first, and becomes the program
//! only then. So there is never a program of which nobody knows.

use super::sockets::Sockets;
use super::told::{self, Told, Within};
use crate::folder::Folder;
use crate::proc;
use crate::sandbox::{self, Confined, Joined, network};
use crate::spec::SpecFile;
use crate::state::Process;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tow_record::Program;

/// How long a sandbox may take until its first process answers: milliseconds, on a machine that has time.
const MADE: Duration = Duration::from_secs(15);
/// What a program that ended by itself leaves behind gets so long to end too.
pub(super) const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// The platform's own executable: this very file, even if another was put in its place.
pub(super) fn own_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe()
    }
}

/// A child that waits for the word to become the program.
pub(super) struct Waiting {
    pub(super) process: Process,
    socket: UnixStream,
    told: Told,
    /// What it gets beside sockets and streams.
    more: Vec<OwnedFd>,
    /// What leads out of its own network.
    pub(super) network: Option<Process>,
}

/// Makes the child. It does nothing until [`Waiting::go`], and ends if this shim dies before.
pub(super) fn make(folder: &Folder, file: &SpecFile) -> Result<Waiting, String> {
    match &file.confined {
        Some(confined) => confined_child(folder, file, confined),
        None => plain_child(folder, file).map_err(|err| format!("cannot make a process: {err}")),
    }
}

fn plain_child(folder: &Folder, file: &SpecFile) -> io::Result<Waiting> {
    let (socket, theirs) = UnixStream::pair()?;
    let own = own_program()?;
    let mut env: BTreeMap<String, String> =
        file.env().map(|(key, value)| (key.clone(), value.clone())).collect();
    let argv = match &file.spec.program {
        Program::Command { argv } => argv.clone(),
        Program::Static => {
            // Our own binary: of the workload's environment it gets what it reads.
            env = [port(file)].into_iter().flatten().collect();
            let (own, work) = (own.display().to_string(), folder.work().display().to_string());
            vec![own, "static".into(), work]
        }
        Program::Role { args } => [own.display().to_string()].iter().chain(args).cloned().collect(),
        Program::Image { image, .. } => {
            return Err(io::Error::other(format!("{image} is an image, and this is no engine")));
        }
    };
    let is_role = matches!(file.spec.program, Program::Role { .. });
    if !file.spec.listen.is_empty() {
        // It may give sockets to be kept, and says when it is ready (sd_notify).
        env.insert("NOTIFY_SOCKET".into(), folder.notify().display().to_string());
    }
    let told = Told { dir: folder.work(), argv, env, is_role, ..Told::default() };
    let child = Command::new(own)
        .arg0("tow")
        .arg("shim-exec")
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Waiting { process: known(child.id())?, socket, told, more: Vec::new(), network: None })
}

/// The port of a program that is told only that.
fn port(file: &SpecFile) -> Option<(String, String)> {
    file.spec.ports.first().map(|port| ("PORT".into(), port.to_string()))
}

fn known(pid: u32) -> io::Result<Process> {
    let stat =
        proc::stat(pid).ok_or_else(|| io::Error::other("the new process is not in /proc"))?;
    Ok(Process { pid, started: stat.started, session: stat.session, at: crate::wall::now() })
}

/// The first process of a new sandbox. What made the sandbox is taken away, so that the first process is a child of this
/// shim, and the shim knows exactly how it ends.
fn confined_child(
    folder: &Folder,
    file: &SpecFile,
    confined: &Confined,
) -> Result<Waiting, String> {
    let broken = |err: io::Error| format!("cannot make a sandbox: {err}");
    let own = std::env::current_exe().map_err(broken)?;
    let (args, mounts) = sandbox::command(folder, file, confined, &own)?;
    let argv = match &file.spec.program {
        Program::Command { argv } => argv.clone(),
        Program::Static => vec![sandbox::OWN.into(), "static".into(), sandbox::HOME.into()],
        Program::Image { .. } | Program::Role { .. } => {
            return Err("only programs run in a sandbox".into());
        }
    };
    let mut env = sandbox::environment(file);
    if matches!(file.spec.program, Program::Static) {
        env = [port(file)].into_iter().flatten().collect();
    }
    let writes_volumes = file.spec.setting.mounts.iter().any(|mount| !mount.read_only);
    let within = Within {
        user: confined.user,
        ports: file.spec.ports.clone(),
        joined: confined.network.as_ref().map(|network| joined(file, network)),
        file_size: file.bounds().disk.filter(|_| !writes_volumes),
        left_behind: LEFT_BEHIND.min(file.spec.grace.std()).as_millis() as u64,
        mounts,
    };
    let told =
        Told { dir: sandbox::HOME.into(), argv, env, within: Some(within), ..Told::default() };
    let mut more =
        vec![exit_word(folder).map_err(broken)?.into(), inner(folder).map_err(broken)?.into()];
    let (socket, theirs) = UnixStream::pair().map_err(broken)?;
    rustix::net::sockopt::set_socket_passcred(&socket, true).map_err(|err| broken(err.into()))?;
    let (mut words, err) = io::pipe().map_err(broken)?;
    let mut maker = Command::new(&confined.bwrap)
        .args(args)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(err)
        .spawn()
        .map_err(|err| format!("cannot run {}: {err}", confined.bwrap.display()))?;
    socket.set_read_timeout(Some(MADE)).map_err(broken)?;
    let first = first_process(&socket);
    // Whatever came of it: it has done what it was for, and without it its child is ours.
    let _ = maker.kill();
    let _ = maker.wait();
    let process = first.map_err(broken)?.map(known).transpose().map_err(broken)?;
    let Some(process) = process else {
        drop(socket);
        let mut text = String::new();
        let _ = words.read_to_string(&mut text);
        let text = text.trim();
        return Err(format!(
            "cannot make a sandbox: {}",
            if text.is_empty() { "no word why" } else { text }
        ));
    };
    socket.set_read_timeout(None).map_err(broken)?;
    let mut leads = None;
    if let Some(network) = &confined.network {
        let broken = |err: io::Error| format!("cannot make a network for the sandbox: {err}");
        network::open_low_ports(process.pid).map_err(broken)?;
        // Ends with whoever holds what it gave: this shim until the first process has it.
        let (process, holds) = network::start(network, folder, process.pid).map_err(broken)?;
        leads = Some(process);
        more.push(holds);
        more.extend(network::listen(&file.spec.ports)?);
    }
    Ok(Waiting { process, socket, told, more, network: leads })
}

/// The program's ports inside, in the order of the sockets that lead there.
fn joined(file: &SpecFile, network: &sandbox::Network) -> Joined {
    let inside = &file.spec.setting.inside;
    let ports = file.spec.ports.iter().map(|port| inside.get(port).copied().unwrap_or(*port));
    Joined { ports: ports.collect(), loopback: network.loopback.iter().copied().collect() }
}

/// Waits for the word of a sandbox's first process: its pid, as it is here. `None`: there will be none.
fn first_process(socket: &UnixStream) -> io::Result<Option<u32>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let read = recvmsg(socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    match read {
        Ok(message) if message.bytes == 0 => return Ok(None),
        Err(rustix::io::Errno::AGAIN) => {
            return Err(io::Error::other("its first process did not answer in time"));
        }
        Err(err) => return Err(err.into()),
        Ok(_) => {}
    }
    let pid = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid),
        _ => None,
    });
    Ok(pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs()))
}

/// A new file for the word of how the program ended.
fn exit_word(folder: &Folder) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(folder.exit())
}

/// The socket on which the first process takes commands; it stays while the first process does.
fn inner(folder: &Folder) -> io::Result<UnixListener> {
    let (_dir, path) = folder.inner_socket()?;
    match std::fs::remove_file(&path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    UnixListener::bind(path)
}

impl Waiting {
    /// Lets it become the program, with these sockets; the future says what kept it from that.
    pub(super) fn go(
        mut self,
        folder: &Folder,
        sockets: &Sockets,
    ) -> io::Result<impl Future<Output = Option<String>> + Send + use<>> {
        let held: Vec<_> = sockets.all().collect();
        if self.told.within.is_some() && !held.is_empty() {
            return Err(io::Error::other("sockets are not handed on into a sandbox"));
        }
        self.told.sockets = held.len();
        self.told.names = held.iter().map(|held| held.name.clone()).collect();
        let open = |path| OpenOptions::new().read(true).write(true).open(path);
        let streams = [open(folder.out())?, open(folder.err())?];
        let fds: Vec<_> = held
            .iter()
            .map(|held| held.socket.as_fd())
            .chain(streams.iter().map(AsFd::as_fd))
            .chain(self.more.iter().map(AsFd::as_fd))
            .collect();
        self.told.descriptors = fds.len();
        let (first, rest) = fds.split_at(fds.len().min(told::MOST));
        told::send(&self.socket, &self.told, first)?;
        told::send_more(&self.socket, rest)?;
        self.socket.set_nonblocking(true)?;
        let mut socket = tokio::net::UnixStream::from_std(self.socket)?;
        Ok(async move {
            use tokio::io::AsyncReadExt as _;
            let mut words = Vec::new();
            let mut chunk = [0; 512];
            while let Ok(length) = socket.read(&mut chunk).await {
                if length == 0 || words.len() > 4096 {
                    break;
                }
                words.extend_from_slice(&chunk[..length]);
            }
            (!words.is_empty()).then(|| String::from_utf8_lossy(&words).into_owned())
        })
    }
}
