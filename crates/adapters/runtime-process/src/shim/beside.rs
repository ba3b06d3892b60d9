//! Commands beside the program (`exec`): started with the program's folder and environment, in the same confinement, and
//! ended when whoever asked goes away. What goes in and out of them does not pass through here: the asker is handed the
//! other ends of their pipes, or of their terminal.

use super::becoming::explain;
use super::reaper::Reaper;
use super::told::{self, Told};
use crate::proto::Reply;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tow_record::Exit;

/// From SIGHUP to SIGKILL, for a command whose asker went away.
const GRACE: Duration = Duration::from_millis(500);

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// Over the instance's own environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    /// Columns and rows of the terminal it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tty: Option<(u16, u16)>,
}

/// Beside what.
pub(crate) struct Beside {
    pub(crate) dir: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) user: Option<u32>,
    /// Our own binary, as seen from here.
    pub(crate) own: PathBuf,
}

struct Running {
    pid: u32,
    ended: oneshot::Receiver<Exit>,
    /// The asker's ends.
    ends: Vec<OwnedFd>,
}

/// Runs it for whoever holds the stream's other end, and returns when nothing of it is left.
pub(crate) async fn serve(mut stream: UnixStream, ask: Ask, beside: &Beside, reaper: &Reaper) {
    let started = match ask.tty {
        None => plain(&ask, beside, reaper),
        Some(_) => terminal(&ask, beside, reaper).await,
    };
    let Running { pid, mut ended, ends } = match started {
        Ok(running) => running,
        Err(why) => {
            let _ = stream.write_all(&Reply::trouble(1, "not-run", None, &why).line()).await;
            return;
        }
    };
    let fds: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
    let told = hand_over(&stream, &Reply::started(1).line(), &fds).await;
    drop(fds);
    drop(ends);
    if told.is_ok() {
        tokio::select! {
            exit = &mut ended => {
                let exit = exit.unwrap_or(Exit::Unknown);
                sweep(pid, Signal::KILL);
                let _ = stream.write_all(&Reply::ended(1, exit).line()).await;
                return;
            }
            // It says nothing more; it only ever goes.
            _ = stream.read_u8() => {}
        }
    }
    sweep(pid, Signal::HUP);
    if tokio::time::timeout(GRACE, &mut ended).await.is_err() {
        sweep(pid, Signal::KILL);
        let _ = ended.await;
    }
    sweep(pid, Signal::KILL);
}

fn plain(ask: &Ask, beside: &Beside, reaper: &Reaper) -> Result<Running, String> {
    let (program, args) = ask.argv.split_first().ok_or("no command was given")?;
    let broken = |err: io::Error| format!("cannot run {program}: {err}");
    let (their_in, our_in) = io::pipe().map_err(broken)?;
    let (our_out, their_out) = io::pipe().map_err(broken)?;
    let (our_err, their_err) = io::pipe().map_err(broken)?;
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(&beside.env).envs(&ask.env).current_dir(&beside.dir);
    command.process_group(0).stdin(their_in).stdout(their_out).stderr(their_err);
    if let Some(user) = beside.user {
        command.uid(user).gid(user);
    }
    let (pid, ended) = reaper
        .watch(|| command.spawn().map(|child| child.id()))
        .map_err(|err| explain(Path::new(program), &err))?;
    Ok(Running { pid, ended, ends: vec![our_in.into(), our_out.into(), our_err.into()] })
}

async fn terminal(ask: &Ask, beside: &Beside, reaper: &Reaper) -> Result<Running, String> {
    let program = ask.argv.first().ok_or("no command was given")?;
    let broken = |err: io::Error| format!("cannot run {program}: {err}");
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(broken)?;
    let mut command = Command::new(&beside.own);
    command.arg0("tow").arg("shim-exec").env_clear().current_dir("/");
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = beside.user {
        command.uid(user).gid(user);
    }
    let (pid, ended) = reaper.watch(|| command.spawn().map(|child| child.id())).map_err(broken)?;
    // It holds the other end of the socket now; only it.
    drop(command);
    let mut env = beside.env.clone();
    env.entry("TERM".into()).or_insert_with(|| "xterm".into());
    env.extend(ask.env.clone());
    let told = Told {
        dir: beside.dir.clone(),
        argv: ask.argv.clone(),
        env,
        tty: ask.tty,
        ..Told::default()
    };
    told::send(&ours, &told, &[]).map_err(broken)?;
    ours.set_nonblocking(true).map_err(broken)?;
    let ours = UnixStream::from_std(ours).map_err(broken)?;
    let (mut ends, mut words) = (Vec::new(), Vec::new());
    loop {
        let (bytes, fds) = take(&ours).await.map_err(broken)?;
        if bytes.is_empty() {
            break;
        }
        if fds.is_empty() {
            words.extend(bytes);
        }
        ends.extend(fds);
    }
    if !words.is_empty() || ends.is_empty() {
        let _ = ended.await;
        return Err(String::from_utf8_lossy(&words).into_owned());
    }
    Ok(Running { pid, ended, ends })
}

/// Sends bytes with descriptors.
async fn hand_over(
    stream: &UnixStream,
    bytes: &[u8],
    fds: &[std::os::fd::BorrowedFd<'_>],
) -> io::Result<()> {
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(io::Error::other("too many descriptors"));
            }
            sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
            Ok(())
        })
        .await
}

/// What is there to read, with the descriptors that came along; no bytes: the other end went.
pub(crate) async fn take(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut bytes = vec![0; 2048];
            let length = {
                let mut into = [IoSliceMut::new(&mut bytes)];
                recvmsg(stream, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes
            };
            bytes.truncate(length);
            let mut fds = Vec::new();
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(given) = message {
                    fds.extend(given);
                }
            }
            Ok((bytes, fds))
        })
        .await
}

/// A command's whole group, or its terminal's session.
fn sweep(pid: u32, signal: Signal) {
    for member in crate::proc::led_by(pid) {
        crate::proc::signal(&member, signal);
    }
}
