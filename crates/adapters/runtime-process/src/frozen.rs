//! Shims that do not answer, because somebody stopped them or because they hang: which they are, and their end. The program
//! under one lives on, and a new shim adopts it.

use crate::folder::Folder;
use crate::proc::{self, Stat};
use rustix::process::Signal;
use std::os::unix::ffi::OsStrExt;

/// Which of them are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that a signal stopped: they will never answer.
    Stopped,
    /// All: nobody has heard of them for long.
    All,
}

/// Ends the shims of a folder; true: there was one. Known by pid and start time, which in `/proc` are of this boot.
pub(crate) fn end(folder: &Folder, which: Which) -> bool {
    if !folder.is_locked().unwrap_or(false) {
        return false;
    }
    let mut is_any = false;
    for shim in proc::all().into_iter().filter(|stat| is_shim(stat.pid, folder)) {
        if which == Which::All || shim.is_stopped() {
            proc::signal(&shim, Signal::KILL);
            is_any = true;
        }
    }
    is_any
}

/// The shim of a folder, if this process is it.
pub(crate) fn shim(pid: u32, folder: &Folder) -> Option<Stat> {
    proc::stat(pid).filter(|_| is_shim(pid, folder))
}

/// Was this very shim stopped?
pub(crate) fn is_stopped(shim: &Stat) -> bool {
    proc::stat(shim.pid).is_some_and(|now| now.started == shim.started && now.is_stopped())
}

/// By its command line: `tow shim DIR …`.
fn is_shim(pid: u32, folder: &Folder) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut words = line.split(|byte| *byte == 0).skip(1);
    let path = folder.path().as_os_str().as_bytes();
    words.next() == Some(b"shim") && words.take(2).any(|word| word == path)
}
