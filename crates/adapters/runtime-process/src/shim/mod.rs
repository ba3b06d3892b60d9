//! The shim: a small process that starts one instance, watches it, restarts it, stops it and keeps its log, whether or
//! not the control plane is there. It knows its folder and nothing else: no store, no plan, no other instance.
//!
//! Memory is counted here: one thread, no tracing, small buffers.

pub(crate) mod becoming;
pub(crate) mod beside;
mod child;
mod control;
mod notify;
mod probe;
pub(crate) mod reaper;
mod recover;
mod sockets;
mod supervise;
pub(crate) mod told;

pub use becoming::shim_exec_main;

use crate::folder::Folder;
use crate::spec::SpecFile;
use crate::{proc, state};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use tow_names::Duration;

/// As the first argument: nothing was inherited any more. No folder is called so: paths are given whole.
const CLEAN: &str = "clean";

/// What the adapter wants of a new shim.
struct Order {
    folder: Folder,
    epoch: i64,
    /// Stop the instance instead of running it.
    stop: Option<Duration>,
}

/// `tow shim DIR EPOCH [GRACE]`: runs the instance of the folder DIR until it has ended for good; with GRACE (such as
/// `10s`) it stops it. Writes one line on standard output once it is in charge: `ok`, `busy` (another shim is), or
/// `refused` and why. Returns the exit status.
pub fn shim_main(args: Vec<OsString>) -> i32 {
    let told = match run(args) {
        Ok(()) => return 0,
        Err(why) => why,
    };
    say(&format!("refused {}", told.replace('\n', " ")));
    1
}

fn run(args: Vec<OsString>) -> Result<(), String> {
    let is_clean = args.first().is_some_and(|first| first == CLEAN);
    let args = if is_clean { &args[1..] } else { &args[..] };
    if !is_clean {
        drop_inherited(args)?;
    }
    let order = read(args).ok_or("usage: tow shim DIR EPOCH [GRACE]")?;
    // A terminal's signals are not for workloads. Fails only where it is the leader of a group already.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|err| format!("cannot become a subreaper: {err}"))?;
    let at = |what: &str, err: std::io::Error| {
        format!("{}: {what}: {err}", order.folder.path().display())
    };
    std::env::set_current_dir("/").map_err(|err| at("/", err))?;
    let Some(lock) = order.folder.lock().map_err(|err| at("lock", err))? else {
        say("busy");
        return Ok(());
    };
    let spec = SpecFile::read(&order.folder).map_err(|err| at("spec.json", err))?;
    let boot = proc::boot().map_err(|err| at("boot id", err))?;
    let kept = state::read(&order.folder);
    if let state::Kept::State(kept) = &kept
        && (kept.ended() || kept.boot != boot)
    {
        say("ok");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // The default makes room for 1024, in memory that each shim has for itself.
        .max_io_events_per_tick(32)
        .build()
        .map_err(|err| at("runtime", err))?;
    runtime.block_on(supervise::supervise(order, spec, boot, kept, lock))
}

fn read(args: &[OsString]) -> Option<Order> {
    let path = std::path::absolute(PathBuf::from(args.first()?)).ok()?;
    let epoch = args.get(1)?.to_str()?.parse().ok()?;
    let stop = match args.get(2) {
        Some(grace) => Some(grace.to_str()?.parse().ok()?),
        None => None,
    };
    Some(Order { folder: Folder::at(path), epoch, stop })
}

/// Answers whoever started the shim, and lets go of its pipe.
fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Descriptors that the platform itself was given (by a shell's `exec 9>lock`, say) would live on in the shim and be
/// passed to the workload, and take the numbers that LISTEN_FDS needs. Closing a bare number is not safe Rust, so
/// where there are any the shell does it, once.
fn drop_inherited(args: &[OsString]) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Ok(()) };
    let numbers: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| (3..=9).contains(number))
        .collect();
    // The listing's own descriptor is closed by now; only what can still be opened is real.
    let open: Vec<u32> = numbers
        .into_iter()
        .filter(|number| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|err| format!("own path: {err}"))?;
    let close: String = open.iter().map(|number| format!("exec {number}>&-; ")).collect();
    let err = std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{close} exec \"$0\" shim {CLEAN} \"$@\""))
        .arg(own)
        .args(args)
        .exec();
    Err(format!("/bin/sh: {err}"))
}
