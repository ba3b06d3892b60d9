//! The control plane's end of a command beside a program: asks the shim, and carries bytes between the session and the
//! command's own pipes or terminal. Whether a command may be run is nobody's question here.

use crate::folder::Folder;
use crate::proto::{Reply, Request, Verb};
use crate::shim::beside::{Ask, take};
use crate::state::{self, Kept};
use bytes::Bytes;
use futures::StreamExt;
use rustix::termios::Winsize;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tow_names::Id;
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, PortError, Size};
use tow_record::Exit;

/// How long the shim may take to say that a command runs.
const ANSWER: Duration = Duration::from_secs(20);
/// What a command wrote last is read until nothing came for so long after its end, where somebody else holds its pipe.
const LAST: Duration = Duration::from_millis(500);
/// Chunks under way in each direction.
const UNDER_WAY: usize = 16;
const CHUNK: usize = 16 * 1024;
/// What a terminal takes for the end of its input.
const END_OF_INPUT: &[u8] = &[4];

/// Runs a command in an instance.
pub(crate) async fn exec(
    folder: &Folder,
    epoch: i64,
    id: &Id,
    spec: ExecSpec,
) -> Result<ExecSession, PortError> {
    let gone = || PortError::NotThere(format!("{id} does not run"));
    if spec.argv.is_empty() {
        return Err(PortError::Refused("no command was given".into()));
    }
    let runs = match state::read(folder) {
        Kept::State(state) => state.process.is_some(),
        Kept::Nothing | Kept::Damaged(_) => false,
    };
    if !runs {
        return Err(gone());
    }
    let tty = spec.tty.map(|size| (size.columns, size.rows));
    let ask = Ask { argv: spec.argv, env: spec.env, tty };
    let started = tokio::time::timeout(ANSWER, start(folder, epoch, ask)).await;
    let (link, rest, ends) = match started {
        Ok(Ok(Ok(started))) => started,
        Ok(Ok(Err(reply))) => return Err(refusal(id, epoch, reply)),
        // No shim: it ended, or another takes over within a second.
        Ok(Err(_)) => {
            return Err(match state::read(folder) {
                Kept::State(state) if state.process.is_some() => {
                    PortError::Unavailable(format!("{id}: its shim does not answer just now"))
                }
                _ => gone(),
            });
        }
        Err(_) => return Err(PortError::Unavailable(format!("{id}: its shim does not answer"))),
    };
    let broken = |err: io::Error| PortError::Unavailable(format!("{id}: {err}"));
    let (streams, pipe) = Streams::of(ends).map_err(broken)?;
    let (input, typed) = mpsc::channel(UNDER_WAY);
    let (said, output) = mpsc::channel(UNDER_WAY);
    tokio::spawn(carry(id.clone(), link, rest, streams, pipe, typed, said));
    let output = futures::stream::unfold(output, |mut output| async {
        output.recv().await.map(|out| (out, output))
    });
    Ok(ExecSession { input, output: output.boxed() })
}

type Started = (UnixStream, Vec<u8>, Vec<OwnedFd>);

/// Asks; the command's streams, or what the shim said instead.
async fn start(folder: &Folder, epoch: i64, ask: Ask) -> io::Result<Result<Started, Reply>> {
    let (_dir, path) = folder.socket()?;
    let mut link = UnixStream::connect(path).await?;
    let mut line = serde_json::to_vec(&Request::new(Some(epoch), Verb::Exec(ask)))?;
    line.push(b'\n');
    link.write_all(&line).await?;
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    loop {
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let reply: Reply = serde_json::from_slice(&bytes[..end])?;
            let rest = bytes.split_off(end + 1);
            return Ok(if reply.started { Ok((link, rest, ends)) } else { Err(reply) });
        }
        let (more, fds) = take(&link).await?;
        if more.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(more);
        ends.extend(fds);
    }
}

fn refusal(id: &Id, given: i64, reply: Reply) -> PortError {
    let Some(trouble) = reply.error else {
        return PortError::Unavailable(format!("{id}: its shim did not say what it did"));
    };
    match trouble.code.as_str() {
        "fenced" => PortError::Fenced { given, seen: trouble.seen.unwrap_or_default() },
        "not-running" | "ending" => PortError::NotThere(format!("{id} does not run")),
        "unknown-verb" => PortError::Refused(format!(
            "{id} was started before commands could be run beside programs; restart it first"
        )),
        _ => PortError::Refused(trouble.message),
    }
}

/// A command's ends that are ours.
enum Streams {
    Plain { out: AsyncFd<OwnedFd>, err: AsyncFd<OwnedFd> },
    Terminal(AsyncFd<OwnedFd>),
}

#[expect(deprecated, reason = "an owned descriptor stays what it is, and `register` is unsafe")]
fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    AsyncFd::new(fd)
}

impl Streams {
    /// And the pipe into it, apart: its end is told by closing it.
    fn of(ends: Vec<OwnedFd>) -> io::Result<(Self, Option<AsyncFd<OwnedFd>>)> {
        let mut ends = ends.into_iter();
        match (ends.next(), ends.next(), ends.next()) {
            (Some(terminal), None, None) => Ok((Self::Terminal(watched(terminal)?), None)),
            (Some(input), Some(out), Some(err)) => {
                let plain = Self::Plain { out: watched(out)?, err: watched(err)? };
                Ok((plain, Some(watched(input)?)))
            }
            _ => Err(io::Error::other("the shim did not hand over the command's streams")),
        }
    }
}

/// Carries until the command ended, or until either half of the session is dropped: then the link is too, and the
/// command ends.
async fn carry(
    id: Id,
    link: UnixStream,
    rest: Vec<u8>,
    streams: Streams,
    pipe: Option<AsyncFd<OwnedFd>>,
    typed: mpsc::Receiver<ExecIn>,
    said: mpsc::Sender<Result<ExecOut, PortError>>,
) {
    let carried = Carried::default();
    let out = async {
        match &streams {
            Streams::Terminal(terminal) => drain(terminal, &said, &carried, ExecOut::Out).await,
            Streams::Plain { out, err, .. } => {
                tokio::join!(
                    drain(out, &said, &carried, ExecOut::Out),
                    drain(err, &said, &carried, ExecOut::Err)
                );
            }
        }
    };
    tokio::pin!(out);
    let ended = end(&link, rest);
    tokio::pin!(ended);
    let typing = typing(&streams, pipe, typed);
    tokio::pin!(typing);
    let mut is_read = false;
    let exit = loop {
        tokio::select! {
            exit = &mut ended => break exit,
            () = &mut out, if !is_read => is_read = true,
            // Whoever typed has gone, or whoever listened.
            () = &mut typing => return,
            () = said.closed() => return,
        }
    };
    while !is_read {
        let before = carried.chunks();
        tokio::select! {
            () = &mut out => is_read = true,
            () = said.closed() => return,
            // Whoever reads slowly is waited for, whoever holds a pipe and writes nothing is not.
            () = crate::wall::pause(LAST) => {
                is_read = carried.chunks() == before && !carried.is_waiting();
            }
        }
    }
    // Who keeps it goes with the program: the command went with both.
    let last = exit.map(ExecOut::Ended).map_err(|_| {
        PortError::NotThere(format!("{id} was stopped or replaced while the command ran in it"))
    });
    let _ = said.send(last).await;
}

/// How it ended, as the link says.
async fn end(link: &UnixStream, mut bytes: Vec<u8>) -> io::Result<Exit> {
    loop {
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let reply: Reply = serde_json::from_slice(&bytes[..end])?;
            return reply.exit.ok_or_else(|| io::Error::other("a reply without an end"));
        }
        let (more, _) = take(link).await?;
        if more.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(more);
    }
}

/// How far a command's output has come on its way to whoever asked.
#[derive(Default)]
struct Carried {
    chunks: AtomicUsize,
    /// Of which so many wait for the asker just now.
    waiting: AtomicUsize,
}

impl Carried {
    fn chunks(&self) -> usize {
        self.chunks.load(Ordering::Relaxed)
    }

    fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Reads until there is no more. A terminal without anybody on it ends with an error.
async fn drain(
    from: &AsyncFd<OwnedFd>,
    said: &mpsc::Sender<Result<ExecOut, PortError>>,
    carried: &Carried,
    as_what: fn(Bytes) -> ExecOut,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let Ok(mut ready) = from.readable().await else { return };
        let read = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut chunk[..])?));
        match read {
            Ok(Ok(0)) => return,
            Ok(Ok(length)) => {
                let bytes = Bytes::copy_from_slice(&chunk[..length]);
                carried.chunks.fetch_add(1, Ordering::Relaxed);
                carried.waiting.fetch_add(1, Ordering::Relaxed);
                let sent = said.send(Ok(as_what(bytes))).await;
                carried.waiting.fetch_sub(1, Ordering::Relaxed);
                if sent.is_err() {
                    return;
                }
            }
            Ok(Err(err)) if err.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(_)) => return,
            Err(_) => {}
        }
    }
}

/// Hands on what is typed; returns when nobody is there any more to type.
async fn typing(
    streams: &Streams,
    mut pipe: Option<AsyncFd<OwnedFd>>,
    mut typed: mpsc::Receiver<ExecIn>,
) {
    while let Some(what) = typed.recv().await {
        match (what, streams) {
            (ExecIn::Bytes(bytes), Streams::Terminal(terminal)) => {
                let _ = write(terminal, &bytes).await;
            }
            (ExecIn::Bytes(bytes), Streams::Plain { .. }) => {
                if let Some(to) = &pipe
                    && write(to, &bytes).await.is_err()
                {
                    // It does not read any more; that is its own business.
                    pipe = None;
                }
            }
            (ExecIn::End, Streams::Terminal(terminal)) => {
                let _ = write(terminal, END_OF_INPUT).await;
            }
            (ExecIn::End, Streams::Plain { .. }) => pipe = None,
            (ExecIn::Resize(Size { columns, rows }), Streams::Terminal(terminal)) => {
                let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                let _ = rustix::termios::tcsetwinsize(terminal, size);
            }
            (ExecIn::Resize(_), Streams::Plain { .. }) => {}
        }
    }
}

async fn write(to: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = to.writable().await?;
        match ready.try_io(|fd| Ok(rustix::io::write(fd, bytes)?)) {
            Ok(Ok(length)) => bytes = &bytes[length..],
            Ok(Err(err)) if err.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(err)) => return Err(err),
            Err(_) => {}
        }
    }
    Ok(())
}
