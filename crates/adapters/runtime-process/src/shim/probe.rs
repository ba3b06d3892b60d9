//! Probes: whether a program answers, and a report somebody can act on when it does not. Decides nothing about what
//! follows.

use super::beside::{Ask, take};
use super::control::Commands;
use super::reaper::Reaper;
use super::supervise::Event;
use crate::folder::Folder;
use crate::proc;
use crate::proto::Reply;
use crate::spec::SpecFile;
use http_body_util::{BodyExt, Empty};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tow_record::{ExecProbe, Exit, HttpProbe, Probe, ProbeReport, Program};

/// How much of a body or an output is shown.
const HEAD: usize = 256;
/// Once it has held for so long, it is asked no more often than [`STEADY`]: a fast probe is for the start.
const SETTLED: Duration = Duration::from_secs(5);
const STEADY: Duration = Duration::from_secs(1);
/// A command in a container leaves a process of the engine behind for minutes: so often at the most, before and after.
const SELDOM: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// A refused connection is explained from then on, and again after as long: it takes a walk through all processes,
/// and a program that is still starting needs the time more.
const EXPLAIN: Duration = Duration::from_millis(300);
/// Who accepts in place of a program that is not there hangs up within this.
const HOLLOW: Duration = Duration::from_millis(30);

/// What is probed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Readiness,
    Liveness,
}

/// Everything a probe needs.
pub(super) struct Prober {
    folder: Folder,
    file: Arc<SpecFile>,
    reaper: Reaper,
    attempt: u32,
    /// The first process of a sandbox with a network of its own.
    first: Option<u32>,
    events: mpsc::Sender<Event>,
    began: Instant,
    /// The last explanation of a refused connection, and when it was found.
    explained: Mutex<Option<(Instant, String)>>,
}

impl Prober {
    pub(super) fn new(
        folder: Folder,
        file: Arc<SpecFile>,
        reaper: Reaper,
        attempt: u32,
        first: Option<u32>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (began, explained) = (Instant::now(), Mutex::default());
        Self { folder, file, reaper, attempt, first, events, began, explained }
    }

    /// Probes for ever; the first time at once.
    pub(super) async fn run(&self) {
        let spec = &self.file.spec;
        let readiness = self.keep_asking(Which::Readiness, Some(&spec.readiness));
        tokio::join!(readiness, self.keep_asking(Which::Liveness, spec.liveness.as_ref()));
    }

    /// Runs what is to be run before SIGTERM, once.
    pub(super) async fn prepare(&self, argv: Vec<String>, limit: Duration) {
        let (ok, what) = self.exec(&ExecProbe { argv }, limit).await;
        let _ = self.events.send(Event::Prepared { attempt: self.attempt, ok, what }).await;
    }

    async fn keep_asking(&self, which: Which, probe: Option<&Probe>) {
        let Some(probe) = probe else { return };
        let is_dear = matches!(self.file.spec.program, Program::Role { .. })
            && matches!(probe, Probe::Exec(_));
        let (least, steady) = if is_dear { SELDOM } else { (Duration::from_millis(5), STEADY) };
        let interval = self.file.spec.interval.std().max(least);
        let mut holds_since: Option<Instant> = None;
        loop {
            let began = Instant::now();
            let report = self.ask(probe).await;
            let settled = if report.ok {
                holds_since.get_or_insert(began).elapsed() > SETTLED
            } else {
                holds_since = None;
                false
            };
            let event = Event::Probed { attempt: self.attempt, which, report };
            if self.events.send(event).await.is_err() || matches!(probe, Probe::Alive) {
                return;
            }
            let pause = if settled { interval.max(steady) } else { interval };
            tokio::time::sleep_until(began + pause.max(Duration::from_millis(1))).await;
        }
    }

    async fn ask(&self, probe: &Probe) -> ProbeReport {
        let limit = self.file.spec.timeout.std().max(Duration::from_millis(1));
        let (ok, what) = match probe {
            Probe::Alive => (true, "the process runs".into()),
            Probe::Tcp { port } => self.tcp(*port, limit).await,
            Probe::Http(probe) => self.http(probe, limit).await,
            Probe::Exec(probe) => self.exec(probe, limit).await,
        };
        ProbeReport { ok, what, at: crate::wall::now() }
    }

    async fn tcp(&self, port: u16, limit: Duration) -> (bool, String) {
        match tokio::time::timeout(limit, TcpStream::connect(("127.0.0.1", port))).await {
            Ok(Ok(stream)) => match self.is_hollow(stream).await {
                true => (false, format!("connect to {port} → {}", self.nothing_behind(port))),
                false => (true, format!("connect to {port} → accepted")),
            },
            Ok(Err(err)) => (false, format!("connect to {port} → {}", self.refusal(port, &err))),
            Err(_) => (false, format!("connect to {port} → no answer within {}", length(limit))),
        }
    }

    async fn http(&self, probe: &HttpProbe, limit: Duration) -> (bool, String) {
        let began = Instant::now();
        let get = format!("GET {}", probe.path);
        match tokio::time::timeout(limit, get_once(probe)).await {
            Ok(Ok((status, body))) => {
                let took = length(began.elapsed());
                let ok = status.is_success() || status.is_redirection();
                let body = if body.is_empty() || ok { String::new() } else { format!(": {body}") };
                (ok, format!("{get} → {} in {took}{body}", status.as_u16()))
            }
            Ok(Err(Failed::Connect(err))) => {
                (false, format!("{get} → {}", self.refusal(probe.port, &err)))
            }
            Ok(Err(Failed::Talk(_))) if self.is_bare(probe.port) => {
                (false, format!("{get} → {}", self.nothing_behind(probe.port)))
            }
            Ok(Err(Failed::Talk(why))) => (false, format!("{get} → no HTTP answer: {why}")),
            Err(_) => (false, format!("{get} → no answer within {}", length(limit))),
        }
    }

    /// A container engine, or a sandbox's own network, may accept in place of the program, and hangs up at once where
    /// there is none.
    async fn is_hollow(&self, mut stream: TcpStream) -> bool {
        use tokio::io::AsyncReadExt as _;
        (matches!(self.file.spec.program, Program::Role { .. }) || self.first.is_some())
            && matches!(tokio::time::timeout(HOLLOW, stream.read_u8()).await, Ok(Err(_)))
    }

    /// The port as the program knows it.
    fn inside(&self, port: u16) -> u16 {
        self.file.spec.setting.inside.get(&port).copied().unwrap_or(port)
    }

    /// In a network of its own, does nobody listen there?
    fn is_bare(&self, port: u16) -> bool {
        self.first.is_some_and(|first| !proc::listening_beside(first).contains(&self.inside(port)))
    }

    /// Who accepted found nobody to hand on to.
    fn nothing_behind(&self, port: u16) -> String {
        let Some(first) = self.first else { return "nothing listens behind it".into() };
        let inside = self.inside(port);
        let named = format!("port {inside}, which is {port} of the machine");
        let elsewhere = proc::listening_beside(first);
        if elsewhere.contains(&inside) {
            return format!("whoever listens on {named} hung up");
        }
        if elsewhere.is_empty() {
            return format!("nothing listens on {named}");
        }
        let list: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
        format!("nothing listens on {named}; in its network there is {}", list.join(", "))
    }

    /// Why nobody answers on the port; and, where the program listens elsewhere, where.
    fn refusal(&self, port: u16, err: &std::io::Error) -> String {
        if err.kind() != std::io::ErrorKind::ConnectionRefused {
            return err.to_string();
        }
        let is_port = self.file.spec.env.get("PORT").is_some_and(|text| *text == port.to_string());
        let named = if is_port { format!("$PORT {port}") } else { format!("port {port}") };
        let mut last = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(at, _)| at.elapsed() > EXPLAIN) {
            *last = Some((Instant::now(), self.explain(port, is_port, &named)));
        }
        last.as_ref().map_or_else(String::new, |(_, words)| words.clone())
    }

    fn explain(&self, port: u16, is_port: bool, named: &str) -> String {
        if self.began.elapsed() < EXPLAIN {
            return format!("nothing listens on {named} yet");
        }
        let marks = proc::Marks { process: None, shim: Some(std::process::id()), fifos: None };
        let pids: Vec<u32> = proc::members(&marks).iter().map(|stat| stat.pid).collect();
        let elsewhere = proc::listening(&pids);
        if elsewhere.contains(&port) {
            return format!(
                "nothing listens on 127.0.0.1:{port}; the program listens on another address: \
                 let it listen on 127.0.0.1 or 0.0.0.0"
            );
        }
        if elsewhere.is_empty() {
            return format!("nothing listens on {named}");
        }
        let list: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
        let hint = if is_port { "does it read PORT?" } else { "is the port right?" };
        format!("nothing listens on {named}; the program listens on {}: {hint}", list.join(", "))
    }

    async fn exec(&self, probe: &ExecProbe, limit: Duration) -> (bool, String) {
        let shown = probe.argv.join(" ");
        let Some((program, args)) = probe.argv.split_first() else {
            return (false, "an exec probe without a command".into());
        };
        if self.file.confined.is_some() {
            return self.exec_inside(&shown, probe, limit).await;
        }
        let began = Instant::now();
        let started = || -> std::io::Result<_> {
            let (ours, theirs) = std::io::pipe()?;
            let mut command = Command::new(program);
            command
                .args(args)
                .env_clear()
                .envs(self.file.env())
                .current_dir(self.folder.work())
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(theirs.try_clone()?)
                .stderr(theirs);
            let (pid, ended) = self.reaper.watch(|| command.spawn().map(|child| child.id()))?;
            let pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(ours.into())?;
            Ok((Group(pid), ended, pipe))
        };
        let (group, ended, pipe) = match started() {
            Ok(started) => started,
            Err(err) => return (false, format!("{shown} → cannot run {program}: {err}")),
        };
        let ended = tokio::time::timeout(limit, ended).await;
        let mut head = [0; HEAD];
        let length_read = pipe.try_read(&mut head).unwrap_or(0);
        drop(group);
        let took = length(began.elapsed());
        let head = one_line(&head[..length_read]);
        let head = if head.is_empty() { String::new() } else { format!(": {head}") };
        match ended {
            Ok(Ok(Exit::Code { code: 0 })) => (true, format!("{shown} → exit 0 in {took}")),
            Ok(Ok(Exit::Code { code })) => {
                (false, format!("{shown} → exit {code} in {took}{head}"))
            }
            Ok(Ok(Exit::Signal { signal })) => {
                (false, format!("{shown} → killed by signal {signal} in {took}{head}"))
            }
            Ok(_) => (false, format!("{shown} → ended, nobody knows how")),
            Err(_) => (false, format!("{shown} → no end within {}, killed{head}", length(limit))),
        }
    }
}

impl Prober {
    /// In a sandbox its first process runs the command: in the same confinement, and ended with this connection.
    async fn exec_inside(&self, shown: &str, probe: &ExecProbe, limit: Duration) -> (bool, String) {
        let began = Instant::now();
        let inside = async {
            let (mut ours, theirs) = UnixStream::pair()?;
            let ask = Ask { argv: probe.argv.clone(), env: BTreeMap::new(), tty: None };
            let commands = Commands {
                folder: self.folder.clone(),
                file: self.file.clone(),
                reaper: self.reaper.clone(),
            };
            commands.run(theirs, ask).await;
            let mut said = Said::default();
            let first = said.next(&mut ours).await?;
            let second = if first.started { said.next(&mut ours).await? } else { first };
            std::io::Result::Ok((second, said.head()))
        };
        let answered = tokio::time::timeout(limit, inside).await;
        let took = length(began.elapsed());
        let (reply, head) = match answered {
            Ok(Ok(answered)) => answered,
            Ok(Err(err)) => return (false, format!("{shown} → the sandbox did not answer: {err}")),
            Err(_) => {
                return (false, format!("{shown} → no end within {}, killed", length(limit)));
            }
        };
        let head = if head.is_empty() { String::new() } else { format!(": {head}") };
        match (reply.exit, reply.error) {
            (Some(Exit::Code { code: 0 }), _) => (true, format!("{shown} → exit 0 in {took}")),
            (Some(Exit::Code { code }), _) => {
                (false, format!("{shown} → exit {code} in {took}{head}"))
            }
            (Some(Exit::Signal { signal }), _) => {
                (false, format!("{shown} → killed by signal {signal} in {took}{head}"))
            }
            (_, Some(trouble)) => (false, format!("{shown} → {}", trouble.message)),
            _ => (false, format!("{shown} → ended, nobody knows how")),
        }
    }
}

/// What a sandbox's first process said of a command, line by line, and the command's streams.
#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    ends: Vec<OwnedFd>,
}

impl Said {
    async fn next(&mut self, from: &mut UnixStream) -> std::io::Result<Reply> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(end + 1);
                let line = std::mem::replace(&mut self.bytes, rest);
                return Ok(serde_json::from_slice(&line)?);
            }
            let (more, fds) = take(from).await?;
            if more.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes.extend(more);
            self.ends.extend(fds);
        }
    }

    /// How its output begins.
    fn head(self) -> String {
        let mut out = Vec::new();
        for end in self.ends.into_iter().skip(1) {
            let mut head = [0; HEAD];
            // Somebody may have left the command's group and hold its pipe open: what is there is read, and not waited for.
            let read = rustix::io::ioctl_fionbio(&end, true)
                .and_then(|()| rustix::io::read(&end, &mut head));
            let length = read.unwrap_or(0);
            out.extend_from_slice(&head[..length]);
        }
        out.truncate(HEAD);
        one_line(&out)
    }
}

/// Kills a probe's group however the probe ends.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0).ok().and_then(Pid::from_raw) {
            // Its own group; where it is gone there is nobody to hit, the number not being given anew so fast.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

enum Failed {
    Connect(std::io::Error),
    Talk(String),
}

async fn get_once(probe: &HttpProbe) -> Result<(http::StatusCode, String), Failed> {
    let talk = |err: hyper::Error| Failed::Talk(err.to_string());
    let stream = TcpStream::connect(("127.0.0.1", probe.port)).await.map_err(Failed::Connect)?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut send, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(16 * 1024)
        .handshake(io)
        .await
        .map_err(talk)?;
    let host = probe.host.clone().unwrap_or_else(|| format!("127.0.0.1:{}", probe.port));
    let mut request = http::Request::get(&probe.path)
        .header(http::header::HOST, host)
        .header(http::header::USER_AGENT, "tow-probe")
        .header(http::header::CONNECTION, "close");
    for (name, value) in &probe.headers {
        request = request.header(name, value);
    }
    let request =
        request.body(Empty::<bytes::Bytes>::new()).map_err(|err| Failed::Talk(err.to_string()))?;
    let exchange = async {
        let response = send.send_request(request).await.map_err(talk)?;
        let status = response.status();
        let mut head = Vec::new();
        // Only a failure's body is read, and only its head.
        if !(status.is_success() || status.is_redirection()) {
            let mut body = response.into_body();
            while head.len() < HEAD
                && let Some(Ok(frame)) = body.frame().await
            {
                head.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            }
        }
        head.truncate(HEAD);
        Ok((status, one_line(&head)))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // The connection may end right after the answer was read.
            Ok(()) => exchange.await,
            Err(err) => Err(talk(err)),
        },
    }
}

/// As text on one line.
fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For people: whole milliseconds.
fn length(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
