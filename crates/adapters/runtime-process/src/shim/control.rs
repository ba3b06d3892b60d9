//! `ctl.sock`: answers the control plane. What changes anything is handed to the supervisor; the rest is answered from
//! the last state.

use super::supervise::Event;
use crate::folder::Folder;
use crate::proto::{LONGEST, Reply, Request, Verb};
use crate::state::State;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

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
) {
    let mut connections = JoinSet::new();
    let mut ends = state.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, state.clone(), events.clone()));
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
            Verb::Stop { .. } | Verb::Quit => {
                let (answer, answered) = oneshot::channel();
                let asked = events.send(Event::Asked { request, answer }).await;
                let reply = match (asked, answered.await) {
                    (Ok(()), Ok(reply)) => reply,
                    _ => Reply::trouble(id, "ending", None, "the shim is ending"),
                };
                write.write_all(&reply.line()).await?;
            }
        }
    }
}
