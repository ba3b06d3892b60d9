//! `tow shim-exec`: the last step before a program. It runs in the child with an empty environment, is told by a socket
//! what to become, arranges standard streams, handed-on sockets or a terminal, and becomes it. What needs doing between
//! fork and exec is done here, so that nothing unsafe is.

use super::told::{self, Told};
use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::termios::Winsize;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The first number of a handed-on socket, by systemd's convention.
const FIRST: i32 = 3;
/// What a descriptor is called that is none of ours.
const OTHER: &str = "other";

/// `tow shim-exec [init]`, standard input being a socket to the shim: a [`Told`] on it says what to become; its end
/// means that the shim died first, and then nothing is run. What keeps the program from running is written to it.
/// Returns only in those two cases; as `init`, a sandbox's first process, when the program and all it left have ended.
pub fn shim_exec_main(args: Vec<OsString>) -> i32 {
    if args.first().is_some_and(|first| first == crate::sandbox::INIT) {
        return crate::sandbox::init_main();
    }
    let stdin = rustix::stdio::stdin;
    let Ok(Some((told, mut fds))) = told::receive::<Told>(stdin()) else { return 0 };
    if told::receive_more(stdin(), &mut fds, told.descriptors).is_err() {
        return 0;
    }
    // Above the numbers that are handed on; closed by the exec, which tells the shim that it went well.
    let Ok(shim) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 16) else { return 127 };
    let why = become_program(&told, fds, &shim);
    let _ = std::fs::File::from(shim).write_all(why.as_bytes());
    127
}

/// Returns why it did not.
fn become_program(told: &Told, mut fds: Vec<OwnedFd>, shim: &OwnedFd) -> String {
    let Some((program, args)) = told.argv.split_first() else {
        return "there is no program to run".into();
    };
    let streams = fds.split_off(told.sockets.min(fds.len()));
    for socket in &fds {
        if let Err(err) = rustix::io::fcntl_setfd(socket, FdFlags::empty()) {
            return format!("descriptor {}: {err}", socket.as_raw_fd());
        }
    }
    let numbers: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let names = match listed(&numbers, &told.names) {
        Ok(names) => names,
        Err(why) => return why,
    };
    if let Err(err) = std::env::set_current_dir(&told.dir) {
        return format!("cannot enter {}: {err}", told.dir.display());
    }
    let arranged = match told.tty {
        Some((columns, rows)) => terminal(columns, rows, shim),
        None => plain(&streams, told.is_role),
    };
    if let Err(err) = arranged {
        return format!("cannot arrange the program's streams: {err}");
    }
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(&told.env);
    if !fds.is_empty() {
        command.env("LISTEN_PID", std::process::id().to_string());
        command.env("LISTEN_FDS", names.len().to_string());
        command.env("LISTEN_FDNAMES", names.join(":"));
    }
    explain(Path::new(program), &command.exec())
}

/// The names of all descriptors from the first to the last that is handed on. What came with whoever started the platform may
/// lie between them, above where it is closed: it has the name of nothing, and whoever is handed on sockets passes it by.
/// The first must be in its place, for those who know nothing of names.
fn listed(numbers: &[i32], names: &[String]) -> Result<Vec<String>, String> {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return Ok(Vec::new());
    };
    if *first != FIRST || !numbers.is_sorted() {
        return Err(format!("descriptor {FIRST} is taken, LISTEN_FDS cannot be handed on"));
    }
    let mut named: std::collections::BTreeMap<i32, String> =
        (FIRST..=*last).map(|number| (number, OTHER.to_string())).collect();
    for (place, number) in numbers.iter().enumerate() {
        named.insert(*number, names.get(place).cloned().unwrap_or_default());
    }
    Ok(named.into_values().collect())
}

/// Nothing to read, but for a role; output and errors as given. These are open for reading too, so that the program is never without a
/// reader: it is one itself.
fn plain(streams: &[OwnedFd], is_role: bool) -> io::Result<()> {
    let [out, err] = streams else { return Err(io::Error::other("two streams were expected")) };
    rustix::stdio::dup2_stdout(out)?;
    rustix::stdio::dup2_stderr(err)?;
    if !is_role {
        rustix::stdio::dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
    }
    Ok(())
}

/// A terminal of its own, made where the program runs, so that it finds it by its name; the other end goes to the shim.
fn terminal(columns: u16, rows: u16, shim: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ours = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&ours)?;
    let name = rustix::pty::ptsname(&ours, Vec::new())?;
    rustix::process::setsid()?;
    let theirs = rustix::fs::open(&name, flags, Mode::empty())?;
    rustix::process::ioctl_tiocsctty(&theirs)?;
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&theirs, size)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [ours.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(shim, &[IoSlice::new(b"\0")], &mut ancillary, SendFlags::NOSIGNAL)?;
    rustix::stdio::dup2_stdin(&theirs)?;
    rustix::stdio::dup2_stdout(&theirs)?;
    rustix::stdio::dup2_stderr(&theirs)?;
    Ok(())
}

/// Why a program does not run, as somebody would want to read it.
pub(crate) fn explain(program: &Path, err: &io::Error) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_named_as_none_of_ours() {
        let names: Vec<String> = ["listen", "port-1", "port-2"].map(Into::into).into();
        assert_eq!(listed(&[3, 4, 5], &names).unwrap(), ["listen", "port-1", "port-2"]);
        assert_eq!(
            listed(&[3, 4, 7], &names).unwrap(),
            ["listen", "port-1", "other", "other", "port-2"]
        );
        assert!(listed(&[4, 5, 6], &names).is_err());
        assert!(listed(&[], &[]).unwrap().is_empty());
    }
}
