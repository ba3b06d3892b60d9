//! A command beside a program, inside its container: started, fed, resized, ended.

use crate::frames::{Frames, Stream};
use futures::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tow_engine::TokioIo;
use tow_engine::Upgraded;
use tow_engine::{Engine, EngineError};
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, PortError, Size};
use tow_record::Exit;

/// How often, and how many times, a command whose output ended is asked how it did.
const LOOK: (Duration, u32) = (Duration::from_millis(20), 250);

/// A command under way.
pub(crate) struct Command {
    engine: Engine,
    id: String,
    container: String,
    program: String,
    tty: bool,
    read: ReadHalf<TokioIo<Upgraded>>,
    frames: Frames,
}

/// The way into a command, apart from the way out: a command that writes while it is written to waits for a reader.
pub(crate) struct Input {
    engine: Engine,
    id: String,
    write: WriteHalf<TokioIo<Upgraded>>,
}

/// Starts a command in a container, by the container's name.
pub(crate) async fn start(
    engine: Engine,
    container: &str,
    spec: &ExecSpec,
) -> Result<(Command, Input), EngineError> {
    let said = engine.get(&format!("/containers/{container}/json")).await?;
    let long = said["Id"].as_str().unwrap_or(container).to_string();
    let env: Vec<String> = spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let tty = spec.tty.is_some();
    let order = json!({
        "AttachStdin": true,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": tty,
        "Cmd": spec.argv,
        "Env": env,
    });
    let made = engine.post(&format!("/containers/{long}/exec"), &order).await?;
    let id = made["Id"].as_str().unwrap_or_default().to_string();
    let mut begin = json!({ "Detach": false, "Tty": tty });
    if let Some(Size { columns, rows }) = spec.tty {
        // Before the command begins: each engine in its own words, and none minds the other's.
        begin["ConsoleSize"] = json!([rows, columns]);
        (begin["h"], begin["w"]) = (rows.into(), columns.into());
    }
    let io = engine.take_over(&format!("/exec/{id}/start"), &begin).await?;
    let (read, write) = tokio::io::split(io);
    let input = Input { engine: engine.clone(), id: id.clone(), write };
    let program = spec.argv.first().cloned().unwrap_or_default();
    let command =
        Command { engine, id, container: long, program, tty, read, frames: Frames::default() };
    if let Some(size) = spec.tty {
        resize(&command.engine, &command.id, size).await;
    }
    Ok((command, input))
}

/// Why a command could not be run: a sentence where it is plain, else the engine's own words.
pub(crate) fn refused(message: &str, argv: &[String]) -> String {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let says = |words: &str| message.contains(words);
    if says("executable file not found") || says("no such file or directory") {
        return format!("{program} is not in the container, so it was not run");
    }
    if says("permission denied") {
        return format!("{program} can't be run in the container: permission denied");
    }
    message.to_string()
}

/// A size that comes too late is no error.
async fn resize(engine: &Engine, id: &str, size: Size) {
    let path = format!("/exec/{id}/resize?h={}&w={}", size.rows, size.columns);
    let _ = engine.post(&path, &json!({})).await;
}

impl Command {
    /// The next of its output; none: there will be no more.
    pub(crate) async fn next(&mut self) -> Option<(Stream, bytes::Bytes)> {
        loop {
            if let Some(piece) = self.frames.next() {
                return Some(piece);
            }
            let mut bytes = bytes::BytesMut::with_capacity(16 * 1024);
            match self.read.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(_) if self.tty => return Some((Stream::Out, bytes.freeze())),
                Ok(_) => self.frames.push(&bytes),
            }
        }
    }

    /// How it ended, once its output has.
    pub(crate) async fn exit(&mut self) -> Exit {
        let (pause, mut tries) = LOOK;
        while tries > 0 {
            match self.engine.get(&format!("/exec/{}/json", self.id)).await {
                Ok(said) if said["Running"] != Value::Bool(true) => {
                    let code = said["ExitCode"].as_i64().and_then(|code| i32::try_from(code).ok());
                    return code.map_or(Exit::Unknown, |code| Exit::Code { code });
                }
                Ok(_) => {}
                Err(_) => return Exit::Unknown,
            }
            tries -= 1;
            tokio::time::sleep(pause).await;
        }
        Exit::Unknown
    }

    /// Kills it. Engines have no word for that, so it is done by its process id, where that is one of this machine and
    /// certainly of this container.
    pub(crate) async fn kill(&mut self) {
        let Ok(said) = self.engine.get(&format!("/exec/{}/json", self.id)).await else { return };
        let pid = said["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = pid.filter(|pid| *pid > 1 && said["Running"] == Value::Bool(true)) else {
            return;
        };
        for pid in family(pid) {
            let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
            if groups.is_ok_and(|groups| groups.contains(&self.container))
                && let Some(pid) = Pid::from_raw(pid)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A process and all that it started, the eldest first.
fn family(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        at += 1;
    }
    all
}

/// As the port has it: whoever drops either half ends the command.
pub(crate) fn hand_over((command, way_in): (Command, Input)) -> ExecSession {
    let (input, into) = mpsc::channel(64);
    let (out, output) = mpsc::channel(64);
    tokio::spawn(converse(command, way_in, into, out));
    let output = futures::stream::unfold(output, |mut output| async move {
        Some((output.recv().await?, output))
    });
    ExecSession { input, output: output.boxed() }
}

async fn converse(
    mut command: Command,
    way_in: Input,
    into: mpsc::Receiver<ExecIn>,
    out: mpsc::Sender<Result<ExecOut, PortError>>,
) {
    let is_left = {
        let typing = typing(way_in, into);
        let carrying = carry(&mut command, &out);
        tokio::pin!(typing);
        tokio::pin!(carrying);
        tokio::select! {
            is_left = &mut carrying => is_left,
            // Whoever typed has gone, or whoever listened.
            () = &mut typing => true,
            () = out.closed() => true,
        }
    };
    if is_left {
        return command.kill().await;
    }
    let exit = command.exit().await;
    let _ = out.send(Ok(ExecOut::Ended(exit))).await;
}

/// Hands on what it says until there is no more; true: nobody listens.
async fn carry(command: &mut Command, out: &mpsc::Sender<Result<ExecOut, PortError>>) -> bool {
    let mut is_first = true;
    while let Some((stream, mut bytes)) = command.next().await {
        // Some engines tell of a program that is not there in the command's own output, in their runtime's words.
        let is_not_run = std::mem::take(&mut is_first) && tells_of_no_program(&bytes);
        if is_not_run {
            bytes =
                format!("{} is not in the container, so it was not run\n", command.program).into();
        }
        let piece = match stream {
            Stream::Out => ExecOut::Out(bytes),
            Stream::Err => ExecOut::Err(bytes),
        };
        if out.send(Ok(piece)).await.is_err() {
            return true;
        }
        if is_not_run {
            // What follows is the engine's, too.
            while command.next().await.is_some() {}
        }
    }
    false
}

fn tells_of_no_program(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.starts_with("Error: ")
        && text.contains("OCI runtime attempted to invoke a command that was not found")
}

/// Hands on what is typed; returns when nobody is there any more to type.
async fn typing(mut way_in: Input, mut into: mpsc::Receiver<ExecIn>) {
    let mut listens = true;
    while let Some(what) = into.recv().await {
        match what {
            ExecIn::Bytes(bytes) => {
                // One that does not read any more has its reasons, and goes on.
                listens = listens && way_in.write.write_all(&bytes).await.is_ok();
                listens = listens && way_in.write.flush().await.is_ok();
            }
            ExecIn::End => {
                let _ = way_in.write.shutdown().await;
                listens = false;
            }
            ExecIn::Resize(size) => resize(&way_in.engine, &way_in.id, size).await,
        }
    }
}
