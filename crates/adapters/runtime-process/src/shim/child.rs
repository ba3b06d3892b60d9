//! Starts the program's process, in two steps: the child exists and is written down first, and becomes the program
//! only then. So there is never a program of which nobody knows.

use crate::folder::Folder;
use crate::proc;
use crate::spec::SpecFile;
use crate::state::Process;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tow_record::Program;

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
}

/// Makes the child. It does nothing until [`Waiting::go`], and ends if this shim dies before.
pub(super) fn make(folder: &Folder, file: &SpecFile) -> io::Result<Waiting> {
    let (socket, theirs) = UnixStream::pair()?;
    let own = own_program()?;
    let mut command = Command::new(&own);
    command.arg0("tow").arg("shim-exec").arg(folder.work()).arg(folder.out()).arg(folder.err());
    match &file.spec.program {
        Program::Command { argv } => command.args(argv),
        Program::Static => command.arg(&own).arg("static").arg(folder.work()),
        Program::Role { args } => command.arg(&own).args(args),
        Program::Image { image, .. } => {
            return Err(io::Error::other(format!("{image} is an image, and this is no engine")));
        }
    };
    command.env_clear().envs(file.env());
    if let (Program::Static, Some(port)) = (&file.spec.program, file.spec.ports.first()) {
        // Its only argument beside the folder, wherever the spec's own environment came from.
        command.env("PORT", port.to_string());
    }
    let child = command
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = child.id();
    let stat =
        proc::stat(pid).ok_or_else(|| io::Error::other("the new process is not in /proc"))?;
    let process =
        Process { pid, started: stat.started, session: stat.session, at: crate::wall::now() };
    Ok(Waiting { process, socket })
}

impl Waiting {
    /// Lets it become the program, with these sockets; the future says what kept it from that.
    pub(super) fn go(
        self,
        listeners: &[TcpListener],
    ) -> io::Result<impl Future<Output = Option<String>> + Send + use<>> {
        let fds: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(super::exec::MOST))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("too many sockets to hand on"));
        }
        sendmsg(&self.socket, &[IoSlice::new(b"g")], &mut ancillary, SendFlags::NOSIGNAL)?;
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
