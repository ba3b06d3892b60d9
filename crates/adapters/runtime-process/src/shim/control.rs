//! `ctl.sock`: answers the control plane. What changes anything is handed to the supervisor; the rest is answered from
//! the last state.

use super::beside::{Ask, Beside, serve as run_beside};
use super::reaper::Reaper;
use super::supervise::Event;
use super::told;
use crate::folder::Folder;
use crate::proto::{LONGEST, Reply, Request, Verb};
use crate::spec::SpecFile;
use crate::state::State;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// What commands beside the program are run with.
pub(super) struct Commands {
    pub(super) folder: Folder,
    pub(super) file: Arc<SpecFile>,
    pub(super) reaper: Reaper,
}

impl Commands {
    /// Runs one for whoever holds the other end, where the program is: in a sandbox its first process does.
    pub(super) async fn run(&self, client: UnixStream, ask: Ask) {
        if self.file.confined.is_some() {
            if let Err(err) = self.hand_over(&client, &ask) {
                let why = format!("the sandbox takes no command: {err}");
                let mut client = client;
                let _ = client.write_all(&Reply::trouble(1, "not-run", None, &why).line()).await;
            }
            return;
        }
        let Ok(own) = super::child::own_program() else { return };
        let env = self.file.env().map(|(key, value)| (key.clone(), value.clone())).collect();
        let beside = Beside { dir: self.folder.work(), env, user: None, own };
        run_beside(client, ask, &beside, &self.reaper).await;
    }

    /// Gives the asker's end to a sandbox's first process, and lets go of it.
    fn hand_over(&self, client: &UnixStream, ask: &Ask) -> io::Result<()> {
        let (_dir, path) = self.folder.inner_socket()?;
        let inner = std::os::unix::net::UnixStream::connect(path)?;
        told::send(&inner, ask, &[client.as_fd()])
    }
}

/// Binds the socket; the holder of the lock may take an old one away.
pub(super) fn listen(folder: &Folder) -> io::Result<UnixListener> {
    let (_dir, path) = folder.socket()?;
    match std::fs::remove_file(&path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Answers until the state's sender is gone, and then until everybody has the last state.
pub(super) async fn serve(
    listener: UnixListener,
    state: watch::Receiver<State>,
    events: mpsc::Sender<Event>,
    commands: Arc<Commands>,
) {
    let mut connections = JoinSet::new();
    let mut ends = state.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let commands = commands.clone();
                    connections.spawn(converse(stream, state.clone(), events.clone(), commands));
                } else {
                    // Out of descriptors: others end in time.
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = gone(&mut ends) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn gone(state: &mut watch::Receiver<State>) {
    while state.changed().await.is_ok() {}
}

async fn converse(
    stream: UnixStream,
    mut state: watch::Receiver<State>,
    events: mpsc::Sender<Event>,
    commands: Arc<Commands>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(1024, read);
    let mut ends = state.clone();
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LONGEST);
        let length = tokio::select! {
            length = limited.read_until(b'\n', &mut line) => length?,
            () = gone(&mut ends) => return Ok(()),
        };
        if length == 0 {
            return Ok(());
        }
        let request: Request = match serde_json::from_slice(&line) {
            Ok(request) => request,
            Err(err) => {
                let reply = Reply::trouble(0, "unknown-verb", None, &err.to_string());
                write.write_all(&reply.line()).await?;
                continue;
            }
        };
        let id = request.id;
        match request.verb {
            Verb::Hello | Verb::Status => {
                let line = Reply::state(id, &state.borrow()).line();
                write.write_all(&line).await?;
            }
            Verb::Watch => {
                loop {
                    let line = Reply::state(id, &state.borrow_and_update()).line();
                    write.write_all(&line).await?;
                    tokio::select! {
                        changed = state.changed() => if changed.is_err() { return Ok(()) },
                        // A watcher says nothing more; it only ever goes.
                        gone = read.read_u8() => { gone?; }
                    }
                }
            }
            Verb::Exec(ask) => {
                let asked = Request { verb: Verb::Exec(ask.clone()), ..request };
                let reply = order(&events, asked).await;
                if reply.error.is_some() {
                    write.write_all(&reply.line()).await?;
                    continue;
                }
                let stream = read.into_inner().reunite(write).map_err(io::Error::other)?;
                tokio::select! {
                    () = commands.run(stream, ask) => {}
                    () = gone(&mut ends) => {}
                }
                return Ok(());
            }
            Verb::Stop { .. } | Verb::Renew | Verb::Quit => {
                let reply = order(&events, request).await;
                write.write_all(&reply.line()).await?;
            }
        }
    }
}

/// Has the supervisor judge, and do, what changes anything.
async fn order(events: &mpsc::Sender<Event>, request: Request) -> Reply {
    let id = request.id;
    let (answer, answered) = oneshot::channel();
    let asked = events.send(Event::Asked { request, answer }).await;
    match (asked, answered.await) {
        (Ok(()), Ok(reply)) => reply,
        _ => Reply::trouble(id, "ending", None, "the shim is ending"),
    }
}
