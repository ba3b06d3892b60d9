//! The real `tow` on a data directory of its own: started, asked, killed and started again, and taken away with
//! everything it started. What is left over then is an error. Holds no opinion on what is asked.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything that must come true may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How long a process may take between its last act and its end.
const GOING: Duration = Duration::from_secs(5);

/// How a verb ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// The exit status; -1 where a signal ended it.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The problem that `-o json` wrote to standard error: its last line.
    #[track_caller]
    pub fn problem(&self) -> Value {
        let line = self.err.trim_end().lines().next_back().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// It ended so.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- out\n{}\n--- err\n{}", self.status, self.out, self.err)
    }
}

/// What the ready line says.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Of API and portal.
    pub url: String,
    /// Of the gateway.
    pub gateway: String,
    /// Of the gateway by HTTPS.
    pub https: Option<String>,
    /// The data directory.
    pub data: PathBuf,
    /// A link that works once.
    pub sign_in: Option<String>,
    /// The control plane.
    pub pid: u32,
}

/// A process of this machine that has to do with a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line.
    pub args: Vec<String>,
}

impl Process {
    /// It is `tow` in this hidden role.
    pub fn is(&self, role: &str) -> bool {
        self.args.get(1).is_some_and(|arg| arg == role)
    }
}

/// One platform: the executable, a data directory, a control plane where one was started.
#[derive(Debug)]
pub struct Binary {
    tow: PathBuf,
    home: tempfile::TempDir,
    data: PathBuf,
    plane: Option<Child>,
    /// What every command is run by.
    enter: Vec<String>,
    listen: String,
    starts: usize,
    /// What the last ready line said.
    pub ready: Option<Ready>,
}

impl Binary {
    /// With nothing started. `tow`: `env!("CARGO_BIN_EXE_tow")`.
    pub fn new(tow: &str) -> Self {
        let home =
            tempfile::Builder::new().prefix("tow-").tempdir().expect("a temporary directory");
        Self {
            tow: tow.into(),
            data: home.path().join("data"),
            home,
            plane: None,
            enter: Vec::new(),
            listen: "127.0.0.1:0".into(),
            starts: 0,
            ready: None,
        }
    }

    /// Started and ready.
    pub fn up(tow: &str) -> Self {
        let mut up = Self::new(tow);
        up.start();
        up
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Uses another data directory, such as one on a small disk.
    pub fn on(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    /// Runs every command by another one, such as one that enters a namespace where the data directory is.
    pub fn inside(mut self, enter: Vec<String>) -> Self {
        self.enter = enter;
        self
    }

    /// A place for the test's own files, gone with the rest.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program with this data directory and nothing of the caller's platform.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = match self.enter.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(&self.tow);
                command
            }
            None => Command::new(&self.tow),
        };
        command
            .args(args)
            .env("TOW_DATA", &self.data)
            .env("NO_COLOR", "1")
            .current_dir(self.home());
        for name in
            ["TOW_URL", "TOW_TOKEN", "TOW_ENVIRONMENT", "TOW_CRASH_AT", "TOW_COUNT_CROSSINGS"]
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a verb to its end.
    #[track_caller]
    pub fn tow<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        let output = self.command(args).output().expect("tow can be run");
        Done::of(&output)
    }

    /// Runs a verb that must succeed, with `-o json`; its answer.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        self.tow(args.iter().chain(&["-o", "json"])).exits(0).json()
    }

    /// Deploys a folder, which must succeed.
    #[track_caller]
    pub fn deploy(&self, folder: &Path) -> Value {
        self.json(&["deploy", &folder.display().to_string()])
    }

    /// Starts the control plane and waits until it is ready. The API keeps its address over restarts, as 7070 would.
    #[track_caller]
    pub fn start(&mut self) -> Ready {
        match self.try_start(&[], &[]) {
            Ok(ready) => ready,
            Err(done) => panic!("tow up: {done}"),
        }
    }

    /// Starts the control plane with more arguments and variables; how it ended, where it ended before it was ready.
    pub fn try_start(&mut self, args: &[&str], env: &[(&str, &str)]) -> Result<Ready, Done> {
        assert!(self.plane.is_none(), "it is up");
        self.starts += 1;
        let listen = self.listen.clone();
        let mut all = vec!["up", "-o", "json"];
        if !args.contains(&"--listen") {
            all.extend(["--listen", &listen]);
        }
        if !args.contains(&"--gateway") {
            all.extend(["--gateway", "127.0.0.1:0"]);
        }
        all.extend(args);
        let words = self.home.path().join("tow-up.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&words);
        let log = log.expect("a log of the control plane");
        let said = log.metadata().map_or(0, |meta| meta.len());
        let mut command = self.command(all);
        let mut child =
            command.envs(env.iter().copied()).stderr(log).spawn().expect("tow can be run");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        let mut out = BufReader::new(out);
        out.read_line(&mut line).expect("its output can be read");
        if line.trim().is_empty() {
            let status = child.wait().expect("it can be waited for");
            let mut rest = String::new();
            let _ = out.read_to_string(&mut rest);
            let err = std::fs::read(&words).unwrap_or_default();
            let err = err.get(usize::try_from(said).unwrap_or(0)..).unwrap_or_default();
            return Err(Done {
                status: status.code().unwrap_or(-1),
                out: rest,
                err: String::from_utf8_lossy(err).into_owned(),
            });
        }
        let ready: Ready =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.plane = Some(child);
        self.listen = ready.url.trim_start_matches("http://").to_string();
        self.ready = Some(ready.clone());
        Ok(ready)
    }

    /// Starts the control plane and waits for nothing; it is to be ended before it may be ready.
    pub fn launch(&mut self) {
        assert!(self.plane.is_none(), "it is up");
        self.starts += 1;
        let listen = self.listen.clone();
        let mut command = self.command(["up", "--listen", &listen, "--gateway", "127.0.0.1:0"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.plane = Some(command.spawn().expect("tow can be run"));
    }

    /// How many control planes were started here.
    pub const fn starts(&self) -> usize {
        self.starts
    }

    /// A control plane was started, and nobody has ended it.
    pub fn has_plane(&self) -> bool {
        self.plane.is_some()
    }

    /// Everything the control planes wrote to standard error.
    pub fn words(&self) -> String {
        let words = std::fs::read(self.home.path().join("tow-up.log")).unwrap_or_default();
        String::from_utf8_lossy(&words).into_owned()
    }

    /// The control plane's process id.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.plane.as_ref().expect("it is up").id()
    }

    /// Tells the control plane to end by a signal, and waits until it has.
    #[track_caller]
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        send(self.pid(), signal);
        self.ended()
    }

    /// Waits until the control plane ends by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let mut child = self.plane.take().expect("it is up");
        let mut status = None;
        until("the control plane ended", || {
            status = child.try_wait().expect("it can be waited for");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// The control plane has ended by itself meanwhile; how.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.plane.as_mut()?.try_wait().ok().flatten()?;
        self.plane = None;
        Some(status)
    }

    /// Every living process whose command line, folder or program lies in the data directory.
    pub fn processes(&self) -> Vec<Process> {
        let data = self.data.canonicalize().unwrap_or_else(|_| self.data.clone());
        processes(&data)
    }

    /// Nothing of it is running any more.
    #[track_caller]
    pub fn gone(&self) {
        let began = Instant::now();
        let mut left = self.processes();
        while !left.is_empty() && began.elapsed() < GOING {
            std::thread::park_timeout(Duration::from_millis(10));
            left = self.processes();
        }
        assert!(left.is_empty(), "still there: {left:?}");
    }

    /// The processes of `tow` in this hidden role.
    pub fn role(&self, role: &str) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.is(role)).collect()
    }
}

impl Drop for Binary {
    /// Everything goes, and that it went is proven, unless the test failed already.
    fn drop(&mut self) {
        let data = self.data.canonicalize().unwrap_or_else(|_| self.data.clone());
        if let Some(plane) = &mut self.plane
            && plane.try_wait().is_ok_and(|ended| ended.is_some())
        {
            self.plane = None;
        }
        let mut down = None;
        if self.data.exists() || !self.enter.is_empty() {
            let name = self.data.file_name().unwrap_or_default().to_owned();
            down = Some(self.tow([
                OsStr::new("down"),
                OsStr::new("--purge"),
                OsStr::new("--confirm"),
                &name,
            ]));
        }
        if let Some(mut plane) = self.plane.take() {
            let _ = plane.kill();
            let _ = plane.wait();
        }
        // What has ended everything of its own may take a moment to end itself.
        let began = Instant::now();
        let mut left = processes(&data);
        while !left.is_empty() && began.elapsed() < GOING && !std::thread::panicking() {
            std::thread::park_timeout(Duration::from_millis(10));
            left = processes(&data);
        }
        for process in &left {
            send(process.pid, Signal::KILL);
        }
        if std::thread::panicking() {
            // Beside the failure itself, what the platform had to say.
            #[expect(clippy::print_stderr, reason = "for whoever reads the failed test")]
            {
                eprint!("{}", self.words());
            }
            return;
        }
        if let Some(down) = down {
            assert_eq!(down.status, 0, "tow down --purge: {down}");
            assert!(!self.data.exists(), "--purge left {}", self.data.display());
        }
        assert!(left.is_empty(), "left over: {left:?}");
    }
}

/// Sends a signal; one that is gone already is as good as told.
pub fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// There is such a process, and it is no zombie.
pub fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn processes(data: &Path) -> Vec<Process> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return found };
    let text = data.display().to_string();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let args: Vec<String> = std::fs::read(entry.path().join("cmdline"))
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        let links = ["cwd", "exe"].map(|link| std::fs::read_link(entry.path().join(link)));
        let inside = links.iter().flatten().any(|target| target.starts_with(data));
        if (inside || args.iter().any(|arg| arg.contains(&text))) && lives(pid) {
            found.push(Process { pid, args });
        }
    }
    found
}

/// Asks again and again until it holds.
#[track_caller]
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(PATIENCE, what, holds);
}

/// Asks again and again until it holds, this long: for what builds with a toolchain that has nothing at hand yet.
#[track_caller]
pub fn until_within(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "{what}: it did not come true in {patience:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Says that something could not be run here; the runner of the tests reads it from what a passing test printed.
#[expect(clippy::print_stdout, reason = "how the tests' runner is told")]
pub fn not_run(why: &str) {
    println!("not run: {why}");
}
