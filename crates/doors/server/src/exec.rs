//! A WebSocket beside a program: rights and existence are judged before it is opened, so that a refusal is an answer like
//! any other; then messages are carried both ways until the command has ended or its asker is gone.

use crate::answer::Refusal;
use crate::decode;
use crate::layers::who;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use std::time::Duration;
use tow_api::Endpoint;
use tow_api::instance::exec::{Ask, ExecInstance, LONGEST, PROTOCOL, STDERR, STDIN, STDOUT, Say};
use tow_app::{App, Beside, OpCtx};
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, Size};
use tow_record::{Exit, Problem};

/// So long the asker may take to say what is to be run.
const FIRST_WORDS: Duration = Duration::from_secs(30);
/// So long the asker may take to hear the last word, and to go.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// So often an asker of whom nothing can be taken just now is written to, which fails where it has gone.
const WHILE_IT_WAITS: Duration = Duration::from_secs(2);
/// So often a silent asker is asked whether it is there; one that does not answer twice is gone.
const STILL_THERE: Duration = Duration::from_secs(15);

pub(crate) async fn exec(State(app): State<App>, request: Request) -> Response {
    let mut parts = request.into_parts().0;
    let open = async {
        let ctx = who::context(&parts)?;
        app.admit(&ctx, ExecInstance::ACTION)?;
        let path: <ExecInstance as Endpoint>::Path = decode::path(&mut parts).await?;
        let beside = app.beside(&ctx, &path.instance).await?;
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
        let upgrade = upgrade.map_err(|why| {
            Refusal::new("exec/protocol", format!("this is a WebSocket: {why}"))
                .hint(format!("open it with the subprotocol {PROTOCOL}; `tow exec` does"))
        })?;
        Ok::<_, Refusal>((ctx, beside, upgrade))
    };
    let (ctx, beside, upgrade) = match open.await {
        Ok(opened) => opened,
        Err(refusal) => return refusal.into_response(),
    };
    // Ends when the token does, or when its holder's rights become others.
    let holds = who::while_it_holds(app.clone(), &parts, futures::stream::pending::<()>());
    upgrade.protocols([PROTOCOL]).max_message_size(LONGEST).on_upgrade(
        move |mut socket| async move {
            tokio::pin!(holds);
            let run = run(&app, &ctx, &beside, &mut socket);
            let last = tokio::select! {
                last = run => last,
                _ = holds.next() => {
                    Some(problem(Refusal::new("access/unauthenticated", "the token holds no more")))
                }
            };
            if let Some(last) = last {
                let _ = socket.send(text(&last)).await;
            }
            let frame = CloseFrame { code: close_code::NORMAL, reason: "".into() };
            let _ = socket.send(Message::Close(Some(frame))).await;
            // Closed with words of the asker's unread, the connection would be reset, and the last words lost.
            let read = async { while let Some(Ok(_)) = socket.recv().await {} };
            let _ = tokio::time::timeout(LAST_WORDS, read).await;
        },
    )
}

fn text(say: &Say) -> Message {
    Message::Text(serde_json::to_string(say).unwrap_or_default().into())
}

fn problem(refusal: Refusal) -> Say {
    Say::Problem(refusal.0)
}

fn wrong(why: &str) -> Say {
    Say::Problem(Box::new(Problem::refusal("exec/protocol", why)))
}

fn of(size: tow_api::instance::exec::Size) -> Size {
    Size { columns: size.columns, rows: size.rows }
}

/// The last word, where there is still somebody to hear it.
async fn run(app: &App, ctx: &OpCtx, beside: &Beside, socket: &mut WebSocket) -> Option<Say> {
    let start = match tokio::time::timeout(FIRST_WORDS, socket.recv()).await {
        Ok(Some(Ok(Message::Text(text)))) => match serde_json::from_str(&text) {
            Ok(Ask::Start(start)) => start,
            _ => return Some(wrong("the first message is not {\"start\": {\"argv\": [...]}}")),
        },
        Ok(Some(Ok(_))) => return Some(wrong("the first message says what is to be run")),
        Ok(_) => return None,
        Err(_) => return Some(wrong("nobody said what is to be run")),
    };
    let argv = start.argv.clone();
    let spec = ExecSpec { argv: start.argv, env: start.env, tty: start.tty.map(of) };
    let mut session = match app.exec(ctx, beside, spec).await {
        Ok(session) => session,
        Err(error) => return Some(problem(error.into())),
    };
    // The log is told however this ends, even by being dropped.
    let mut told =
        Told { app: app.clone(), ctx: ctx.clone(), beside: beside.clone(), argv: Some(argv) };
    if socket.send(text(&Say::Started)).await.is_err() {
        return None;
    }
    let last = carry(socket, beside, &mut session).await;
    drop(session);
    let exit = match &last {
        Some(Say::Ended(exit)) => Some(*exit),
        _ => None,
    };
    told.now(exit).await;
    last
}

async fn carry(socket: &mut WebSocket, beside: &Beside, session: &mut ExecSession) -> Option<Say> {
    let mut asked = 0;
    // What waits for a command that reads slowly: nothing more is taken from the socket meanwhile, and its output goes on.
    let mut waits: Option<ExecIn> = None;
    loop {
        tokio::select! {
            biased;
            out = session.output.next() => match out {
                Some(Ok(ExecOut::Out(bytes))) => send(socket, STDOUT, &bytes).await?,
                Some(Ok(ExecOut::Err(bytes))) => send(socket, STDERR, &bytes).await?,
                Some(Ok(ExecOut::Ended(exit))) => return Some(Say::Ended(exit)),
                Some(Err(error)) => return Some(problem(beside.broke(error).into())),
                None => return Some(Say::Ended(Exit::Unknown)),
            },
            room = session.input.reserve(), if waits.is_some() => {
                // Without room it has ended, and will say so.
                if let (Ok(room), Some(what)) = (room, waits.take()) {
                    room.send(what);
                }
            }
            () = tokio::time::sleep(WHILE_IT_WAITS), if waits.is_some() => {
                socket.send(Message::Ping(Bytes::new())).await.ok()?;
            }
            said = tokio::time::timeout(STILL_THERE, socket.recv()), if waits.is_none() => match said {
                Err(_) if asked >= 2 => return None,
                Err(_) => {
                    asked += 1;
                    socket.send(Message::Ping(Bytes::new())).await.ok()?;
                }
                Ok(said) => {
                    asked = 0;
                    match said {
                        Some(Ok(Message::Binary(bytes))) => match bytes.first() {
                            Some(&STDIN) => waits = Some(ExecIn::Bytes(bytes.slice(1..))),
                            _ => return Some(wrong("a binary message begins with 0")),
                        },
                        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                            Ok(Ask::End) => waits = Some(ExecIn::End),
                            Ok(Ask::Resize(size)) => waits = Some(ExecIn::Resize(of(size))),
                            _ => return Some(wrong("a text message is {\"end\"} or {\"resize\": …}")),
                        },
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    }
                }
            },
        }
    }
}

async fn send(socket: &mut WebSocket, whose: u8, bytes: &[u8]) -> Option<()> {
    for piece in bytes.chunks(LONGEST / 2) {
        let mut message = Vec::with_capacity(piece.len() + 1);
        message.push(whose);
        message.extend_from_slice(piece);
        socket.send(Message::Binary(message.into())).await.ok()?;
    }
    Some(())
}

/// Tells the log how a command ended, once.
struct Told {
    app: App,
    ctx: OpCtx,
    beside: Beside,
    argv: Option<Vec<String>>,
}

impl Told {
    async fn now(&mut self, exit: Option<Exit>) {
        let Some(argv) = self.argv.take() else { return };
        if let Err(error) = self.app.exec_ended(&self.ctx, &self.beside, &argv, exit).await {
            tracing::warn!(%error, "how a command ended could not be kept");
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let Some(argv) = self.argv.take() else { return };
        let (app, ctx, beside) = (self.app.clone(), self.ctx.clone(), self.beside.clone());
        tokio::spawn(async move {
            if let Err(error) = app.exec_ended(&ctx, &beside, &argv, None).await {
                tracing::warn!(%error, "how a command ended could not be kept");
            }
        });
    }
}
