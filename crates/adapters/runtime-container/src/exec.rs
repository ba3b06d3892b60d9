//! `tow container exec DIR MILLISECONDS PROGRAM ARGS…`: a probe's command, run inside the container of the instance. Ends
//! as the command ends; a signal or the end of its time ends the command.

use crate::folder::Folder;
use crate::frames::Stream;
use crate::order::{Now, Order};
use crate::session;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tow_engine::Engine;
use tow_ports::ExecSpec;
use tow_record::Exit;

/// Could not be asked.
const BROKEN: i32 = 125;

/// Returns the exit status.
pub(crate) async fn exec(folder: Folder, limit: Duration, argv: Vec<String>) -> i32 {
    match run(&folder, limit, argv).await {
        Ok(code) => code,
        Err(why) => {
            let _ = tokio::io::stderr().write_all(format!("{why}\n").as_bytes()).await;
            BROKEN
        }
    }
}

async fn run(folder: &Folder, limit: Duration, argv: Vec<String>) -> Result<i32, String> {
    let text = |err: &dyn std::fmt::Display| err.to_string();
    let order = Order::read(folder).map_err(|err| text(&err))?.ok_or("there is no container")?;
    let now = Now::read(folder).map_err(|err| text(&err))?.unwrap_or_default();
    let engine = now.engine.ok_or("the container has not been started yet")?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|err| text(&err))?;
    let spec = ExecSpec { argv, ..ExecSpec::default() };
    let container = order.container(now.attempt);
    let (mut command, _input) =
        session::start(Engine::at(engine), &container, &spec).await.map_err(|err| text(&err))?;
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    let late = tokio::time::sleep(limit);
    tokio::pin!(late);
    loop {
        let piece = tokio::select! {
            piece = command.next() => piece,
            _ = terminate.recv() => {
                command.kill().await;
                return Ok(143);
            }
            () = &mut late => {
                command.kill().await;
                return Err(format!("no end within {} ms, killed", limit.as_millis()));
            }
        };
        let Some((stream, bytes)) = piece else { break };
        let _ = match stream {
            Stream::Out => out.write_all(&bytes).await,
            Stream::Err => err.write_all(&bytes).await,
        };
    }
    let _ = out.flush().await;
    let _ = err.flush().await;
    match command.exit().await {
        Exit::Code { code } => Ok(code),
        _ => Err("nobody can say how the command ended".into()),
    }
}
