//! A sandbox's first process: our own binary, inside. It waits for the shim's word, binds itself, starts the program as
//! whoever it is to be, hands signals on, reaps, runs commands beside the program, and leaves an exact word of its end.
//! It knows no folder of the platform: what it needs comes as descriptors.

use super::relay::Relay;
use super::{OWN, filter};
use crate::shim::becoming::explain;
use crate::shim::beside::{Ask, Beside, serve};
use crate::shim::reaper::Reaper;
use crate::shim::told::{self, Told, Within};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::Instant;
use tow_record::Exit;

/// How often it looks whether the last have gone.
const LOOK: Duration = Duration::from_millis(10);

/// What it is given beside words.
struct Given {
    out: OwnedFd,
    err: OwnedFd,
    /// The word of the program's end goes here.
    exit: File,
    /// Whoever wants a command run beside the program comes here.
    commands: UnixListener,
    /// What its own network is joined by.
    network: Vec<OwnedFd>,
}

/// Runs until the program and all it left have ended; the program's code, or 128 and the signal.
pub(crate) fn init_main() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_io_events_per_tick(32)
        .build();
    runtime.map_or(126, |runtime| runtime.block_on(run()))
}

async fn run() -> i32 {
    let Ok(shim) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else { return 126 };
    let mut shim = std::os::unix::net::UnixStream::from(shim);
    // Before the word that we are here: a signal to a first process without a handler is lost.
    let (Ok(terms), Ok(children)) = (signal(SignalKind::terminate()), signal(SignalKind::child()))
    else {
        return 126;
    };
    if shim.write_all(b"i").is_err() {
        return 126;
    }
    let Ok(Some((told, fds))) = told::receive::<Told>(&shim) else { return 0 };
    let reaper = Reaper::default();
    match begin(&told, fds, &reaper).await {
        // The shim is told that it went well by the socket's end.
        Ok(began) => {
            drop(shim);
            let beside = Beside {
                dir: told.dir.clone(),
                env: told.env.clone(),
                user: told.within.as_ref().and_then(|within| within.user),
                own: PathBuf::from(OWN),
            };
            let left = told.within.as_ref().map_or(0, |within| within.left_behind);
            watch(began, beside, reaper, Duration::from_millis(left), terms, children).await
        }
        Err(why) => {
            let _ = shim.write_all(why.as_bytes());
            127
        }
    }
}

struct Began {
    pid: u32,
    exit: File,
    commands: UnixListener,
    relay: Option<Relay>,
}

async fn begin(told: &Told, fds: Vec<OwnedFd>, reaper: &Reaper) -> Result<Began, String> {
    let within = told.within.clone().unwrap_or_default();
    let given =
        given(fds).map_err(|err| format!("the sandbox was not given what it needs: {err}"))?;
    let null = || File::options().read(true).write(true).open("/dev/null");
    let broken = |what: &str| {
        let what = what.to_string();
        move |err: io::Error| format!("{what}: {err}")
    };
    null()
        .and_then(|null| {
            rustix::stdio::dup2_stdin(&null)?;
            rustix::stdio::dup2_stdout(&null)?;
            Ok(rustix::stdio::dup2_stderr(&null)?)
        })
        .map_err(broken("/dev/null"))?;
    mounts(&within)?;
    let mut relay = match &within.joined {
        Some(joined) => Some(Relay::begin(joined, given.network).await?),
        None => None,
    };
    bind(&within)?;
    let Some((program, args)) = told.argv.split_first() else {
        return Err("there is no program to run".into());
    };
    // For the words about a program that is not there; the program itself goes there as who it is.
    let _ = std::env::set_current_dir(&told.dir);
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(&told.env).current_dir(&told.dir);
    command.process_group(0).stdin(Stdio::null()).stdout(given.out).stderr(given.err);
    if let Some(user) = within.user {
        command.uid(user).gid(user);
    }
    let pid = reaper
        .start(|| command.spawn().map(|child| child.id()))
        .map_err(|err| explain(Path::new(program), &err))?;
    if let Some(relay) = &mut relay {
        relay.widen();
    }
    Ok(Began { pid, exit: given.exit, commands: given.commands, relay })
}

fn given(mut fds: Vec<OwnedFd>) -> io::Result<Given> {
    let network = fds.split_off(fds.len().min(4));
    let [out, err, exit, commands]: [OwnedFd; 4] =
        fds.try_into().map_err(|fds: Vec<_>| io::Error::other(format!("{} of 4", fds.len())))?;
    let commands = std::os::unix::net::UnixListener::from(commands);
    commands.set_nonblocking(true)?;
    Ok(Given { out, err, exit: exit.into(), commands: UnixListener::from_std(commands)?, network })
}

/// Each volume is what the shim found it to be: nobody put a link to something else in its place meanwhile.
fn mounts(within: &Within) -> Result<(), String> {
    for (target, device, inode) in &within.mounts {
        let is_same = target
            .symlink_metadata()
            .is_ok_and(|meta| meta.dev() == *device && meta.ino() == *inode);
        if !is_same {
            return Err(format!("{}: not the volume's folder any more", target.display()));
        }
    }
    Ok(())
}

/// Gives up everything that is not needed, for itself and for all it starts.
fn bind(within: &Within) -> Result<(), String> {
    let cannot = |what: &str, err: rustix::io::Errno| format!("cannot {what}: {err}");
    // Nobody who runs as the same user looks into its memory.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|err| cannot("hide its memory", err))?;
    if within.user.is_some() {
        for capability in rustix::thread::CapabilitySet::all().iter() {
            // What this kernel does not know it can't give.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    rustix::thread::set_no_new_privs(true).map_err(|err| cannot("give up privileges", err))?;
    let most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    rustix::process::setrlimit(Resource::Core, most(0))
        .map_err(|err| cannot("limit cores", err))?;
    if let Some(size) = within.file_size {
        rustix::process::setrlimit(Resource::Fsize, most(size))
            .map_err(|err| cannot("limit files", err))?;
    }
    filter::confine(within.joined.is_none().then_some(&within.ports))
}

/// Until the program has ended, and then until nobody is left or it is time.
async fn watch(
    began: Began,
    beside: Beside,
    reaper: Reaper,
    left_behind: Duration,
    mut terms: Signals,
    mut children: Signals,
) -> i32 {
    let Began { pid, mut exit, commands, relay } = began;
    let beside = Arc::new(beside);
    let mut ended = None;
    let how = loop {
        // It may have ended before anybody listened.
        reaper.reap(|child, how| {
            if child == pid {
                ended = Some(how);
            }
        });
        if let Some(how) = ended {
            break how;
        }
        tokio::select! {
            _ = children.recv() => {}
            _ = terms.recv() => {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    let _ = rustix::process::kill_process_group(pid, Signal::TERM);
                }
            }
            accepted = commands.accept() => {
                if let Ok((stream, _)) = accepted {
                    let (beside, reaper) = (beside.clone(), reaper.clone());
                    tokio::spawn(async move { command(stream, &beside, &reaper).await });
                }
            }
        }
    };
    if let Ok(words) = serde_json::to_vec(&how) {
        let _ = exit.write_all(&words);
    }
    drop(exit);
    everyone(Signal::TERM);
    let until = Instant::now() + left_behind;
    if let Some(relay) = relay {
        relay.finish().await;
    }
    while !reaper.reap(|_, _| {}) && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    // With its first process, the kernel ends all that is left.
    match how {
        Exit::Code { code } => code,
        Exit::Signal { signal } => 128 + signal,
        _ => 1,
    }
}

/// All but ourselves: there is nobody else to be seen.
fn everyone(signal: Signal) {
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.filter(|pid| *pid > 1).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Only the shim comes here: the socket's path is not seen inside.
async fn command(stream: tokio::net::UnixStream, beside: &Beside, reaper: &Reaper) {
    let asked = stream.into_std().and_then(|stream| {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        told::receive::<Ask>(&stream)
    });
    let Ok(Some((ask, fds))) = asked else { return };
    let Some(client) = fds.into_iter().next() else { return };
    let client = std::os::unix::net::UnixStream::from(client);
    if client.set_nonblocking(true).is_ok()
        && let Ok(client) = tokio::net::UnixStream::from_std(client)
    {
        serve(client, ask, beside, reaper).await;
    }
}
