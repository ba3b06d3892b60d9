//! What runs here: builds and programs, each in a process group of its own that ends with us, and their lines.

use super::component::{Local, Values, Workload};
use super::tool::Entry;
use crate::failure::{Failure, Verdict};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A line that something wrote.
pub(super) struct Line {
    pub(super) source: String,
    pub(super) text: String,
}

/// How a build went.
pub(super) enum Built {
    Well(Entry),
    Broken(String),
}

/// A process group that ends when this is dropped, at once.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn is_there(&self) -> bool {
        self.0.is_some_and(|pid| test_kill_process_group(pid).is_ok())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

fn spawn(argv: &[String], dir: &Path, env: &super::Environment) -> Result<Child, String> {
    let (program, args) = argv.split_first().ok_or("there is nothing to run")?;
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(dir)
        .envs(env)
        // What is ours is not the program's.
        .env_remove(crate::env::TOW_TOKEN.name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{program} is not there"),
        _ => format!("{program} can't be run: {error}"),
    })
}

/// Hands on line by line what is written.
fn tap(source: &str, from: impl AsyncRead + Unpin + Send + 'static, to: mpsc::Sender<Line>) {
    let source = source.to_string();
    tokio::spawn(async move {
        let mut reader = BufReader::new(from);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).await.is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_string();
            bytes.clear();
            if to.send(Line { source: source.clone(), text }).await.is_err() {
                return;
            }
        }
    });
}

/// Builds. Dropped before its end, it takes the tool with it.
pub(super) async fn build(
    local: &Local,
    _values: &Values,
    lines: mpsc::Sender<Line>,
) -> Verdict<Built> {
    let broken = |error: &std::io::Error| Failure::new("dev/place", error.to_string());
    let place = place(&local.dir).map_err(|error| broken(&error))?;
    let mut made = Vec::new();
    for step in local.tool.steps(&place) {
        let shown = step.join(" ");
        // A build sees no configuration: what it made would hold it.
        let mut child = match spawn(&step, &local.tool.dir, &super::Environment::new()) {
            Ok(child) => child,
            Err(why) => return Ok(Built::Broken(why)),
        };
        let _group = Group::of(&child);
        if let Some(err) = child.stderr.take() {
            tap("build", err, lines.clone());
        }
        if let Some(out) = child.stdout.take() {
            if local.tool.tells() {
                made = told(out).await;
            } else {
                tap("build", out, lines.clone());
            }
        }
        let status = child.wait().await.map_err(|error| broken(&error))?;
        if !status.success() {
            return Ok(Built::Broken(format!("{shown}: {}", words(status))));
        }
    }
    Ok(Built::Well(local.tool.entry(&place, made)))
}

/// A folder for what tools make that have none of their own: the same for the same folder, so that they find it again.
/// It holds programs, never a value.
fn place(dir: &Path) -> std::io::Result<PathBuf> {
    let name = tow_names::Digest::of(dir.as_os_str().as_encoded_bytes());
    let place = std::env::temp_dir().join(format!("tow-dev-{}", name.short()));
    match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&place)
    {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Somebody else's folder of that name is not ours to run programs from.
    let meta = std::fs::symlink_metadata(&place)?;
    let own = std::os::unix::fs::MetadataExt::uid(&meta) == rustix::process::geteuid().as_raw();
    if own && meta.is_dir() {
        return Ok(place);
    }
    Err(std::io::Error::other(format!("{} belongs to somebody else", place.display())))
}

/// The programs that cargo says it made.
async fn told(out: impl AsyncRead + Unpin) -> Vec<PathBuf> {
    let mut lines = BufReader::new(out).lines();
    let mut made = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        let kinds = message["target"]["kind"].as_array();
        let is_program = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"));
        if let (true, Some(path)) = (is_program, message["executable"].as_str()) {
            made.push(PathBuf::from(path));
        }
    }
    made
}

/// A workload's program.
pub(super) struct Program {
    pub(super) name: String,
    port: Option<u16>,
    child: Child,
    group: Group,
    began: Instant,
    live: bool,
    late: bool,
}

impl Program {
    pub(super) fn start(
        local: &Local,
        workload: &Workload,
        entry: &Entry,
        values: &Values,
        lines: mpsc::Sender<Line>,
    ) -> Result<Self, String> {
        let env = values.environment(local, workload)?;
        let container = &workload.container;
        let said = container.command.clone().filter(|command| !command.is_empty());
        let dir = local.tool.runs_in();
        let mut argv = match entry {
            Entry::Site(site) if said.is_none() => {
                let own = std::env::current_exe().map_err(|error| error.to_string())?;
                vec![own.display().to_string(), "static".into(), site.display().to_string()]
            }
            entry => entry.argv(said, [&workload.name, &local.component], &dir)?,
        };
        argv.extend(container.args.iter().flatten().cloned());
        let mut child = spawn(&argv, &dir, &env)?;
        let group = Group::of(&child);
        if let Some(out) = child.stdout.take() {
            tap(&workload.name, out, lines.clone());
        }
        if let Some(err) = child.stderr.take() {
            tap(&workload.name, err, lines);
        }
        Ok(Self {
            name: workload.name.clone(),
            port: local.primary(workload),
            child,
            group,
            began: Instant::now(),
            live: false,
            late: false,
        })
    }

    /// Where it is asked.
    pub(super) fn url(&self) -> Option<String> {
        self.port.map(|port| format!("http://127.0.0.1:{port}/"))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(words)
    }

    /// True once: it is there, and accepts where it has a port.
    pub(super) async fn is_live_now(&mut self) -> bool {
        if self.live {
            return false;
        }
        self.live = match self.port {
            Some(port) => tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
            None => true,
        };
        self.live
    }

    /// True once: it should be live by now.
    pub(super) fn is_late_now(&mut self, limit: Duration) -> bool {
        let is_late = !self.live && !self.late && self.began.elapsed() > limit;
        self.late |= is_late;
        is_late
    }

    /// SIGTERM, and SIGKILL where that is not heeded; returns when nobody of it is left.
    pub(super) async fn end(mut self) {
        self.group.send(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        let until = Instant::now() + Duration::from_millis(500);
        while self.group.is_there() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.group.send(Signal::KILL);
        let _ = self.child.wait().await;
    }
}

fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (_, Some(signal)) => format!("ended by signal {signal}"),
        _ => "ended".into(),
    }
}
