//! `tow shim-exec`: the last step before the program. It runs in the child, waits until the shim has written down who
//! it is, arranges standard streams and handed-on sockets, and becomes the program. What needs doing between fork and
//! exec is done here, so that nothing unsafe is.

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The most sockets that are handed on.
pub(super) const MOST: usize = 6;
/// The first number of a handed-on socket, by systemd's convention.
const FIRST: i32 = 3;

/// `tow shim-exec WORK OUT ERR PROGRAM ARGS…`, standard input being a socket to the shim: a byte on it means go, with
/// the sockets to hand on; its end means that the shim died first, and then nothing is run. What keeps the program
/// from running is written to it. Returns only in those two cases.
pub fn shim_exec_main(args: Vec<OsString>) -> i32 {
    let Some(sockets) = wait() else { return 0 };
    // Above the numbers that are handed on; closed by the exec, which tells the shim that it went well.
    let Ok(shim) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 16) else { return 127 };
    let why = become_program(&args, &sockets);
    let _ = std::fs::File::from(shim).write_all(why.as_bytes());
    127
}

/// Waits for the shim's word.
fn wait() -> Option<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    loop {
        let mut into = [IoSliceMut::new(&mut byte)];
        match recvmsg(rustix::stdio::stdin(), &mut into, &mut ancillary, RecvFlags::empty()) {
            Ok(message) if message.bytes == 0 => return None,
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    let mut sockets = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            sockets.extend(fds);
        }
    }
    Some(sockets)
}

/// Returns why it did not.
fn become_program(args: &[OsString], sockets: &[OwnedFd]) -> String {
    let [work, out, err, program, args @ ..] = args else {
        return "usage: tow shim-exec WORK OUT ERR PROGRAM ARGS…".into();
    };
    for (number, socket) in (FIRST..).zip(sockets) {
        if socket.as_raw_fd() != number {
            return format!("descriptor {number} is taken, LISTEN_FDS cannot be handed on");
        }
    }
    if let Err(err) = std::env::set_current_dir(work) {
        return format!("cannot enter {}: {err}", Path::new(work).display());
    }
    if let Err(err) = streams(Path::new(out), Path::new(err)) {
        return format!("cannot open the program's output: {err}");
    }
    let mut command = Command::new(program);
    command.args(args);
    if !sockets.is_empty() {
        command.env("LISTEN_PID", std::process::id().to_string());
        command.env("LISTEN_FDS", sockets.len().to_string());
    }
    explain(Path::new(program), &command.exec())
}

/// Reading and writing, so that the program is never without a reader: it is one itself.
fn streams(out: &Path, err: &Path) -> io::Result<()> {
    let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
    rustix::stdio::dup2_stdout(open(out)?)?;
    rustix::stdio::dup2_stderr(open(err)?)?;
    rustix::stdio::dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
    Ok(())
}

/// Why a program does not run, as somebody would want to read it.
fn explain(program: &Path, err: &io::Error) -> String {
    let named = program.display();
    let is_path = program.as_os_str().as_encoded_bytes().contains(&b'/');
    let why = match err.kind() {
        ErrorKind::NotFound if !is_path => "not found on the PATH".into(),
        ErrorKind::NotFound if program.exists() => {
            "the interpreter it names in its first line is not there".into()
        }
        ErrorKind::NotFound => "no such file".into(),
        ErrorKind::PermissionDenied if program.is_dir() => "it is a folder".into(),
        ErrorKind::PermissionDenied => "it is not executable".into(),
        _ if err.raw_os_error() == Some(8) => "it is no program of this machine".into(),
        _ => err.to_string(),
    };
    format!("cannot run {named}: {why}")
}
