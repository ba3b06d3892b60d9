//! The tool that builds, as a child: its own environment, a log that streams, a watch over the disk it uses.
//!
//! It stays in this process's group, so that whoever ends the build (its runtime, at a limit or when it is cancelled)
//! ends the tool with it.

use crate::{secret::Secrets, tree};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Between two looks at the disk, at least.
const LOOK: Duration = Duration::from_millis(500);
/// For the rest of the output once the tool has ended: something it left running may hold the pipe open.
const REST: Duration = Duration::from_secs(2);

/// What is run.
pub(crate) struct Job<'a> {
    /// In words, for messages.
    pub(crate) name: &'a str,
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<String>,
    pub(crate) folder: &'a Path,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The folders it writes into, and how many bytes they may hold together.
    pub(crate) watched: Vec<PathBuf>,
    pub(crate) limit: u64,
    /// What must not be said.
    pub(crate) secrets: &'a Secrets,
}

enum Word {
    Line(Vec<u8>),
    Aside(Vec<u8>),
    NoMoreLines,
    Ended(std::io::Result<ExitStatus>),
}

/// Runs it to its end. What it says goes to the log; each line of standard output goes to `line` instead, where there is
/// one. The error says why it made nothing.
pub(crate) fn run(job: Job<'_>, mut line: Option<&mut dyn FnMut(&str)>) -> Result<(), String> {
    let name = job.name;
    let strikes = !job.secrets.is_empty();
    let hears = line.is_some() || strikes;
    let mut command = Command::new(job.program);
    command
        .args(&job.args)
        .current_dir(job.folder)
        .env_clear()
        .envs(&job.env)
        .stdin(Stdio::null())
        .stdout(if hears { Stdio::piped() } else { Stdio::inherit() })
        .stderr(if strikes { Stdio::piped() } else { Stdio::inherit() });
    let mut child = command.spawn().map_err(|error| format!("cannot run {name}: {error}"))?;
    let (say, hear) = mpsc::channel();
    let pid = child.id();
    let mut reading = 0;
    if let Some(stdout) = child.stdout.take() {
        listen(stdout, say.clone(), Word::Line);
        reading += 1;
    }
    if let Some(stderr) = child.stderr.take() {
        listen(stderr, say.clone(), Word::Aside);
        reading += 1;
    }
    std::thread::spawn(move || say.send(Word::Ended(child.wait())));

    let log = |text: &str| {
        let _ = writeln!(std::io::stderr(), "{}", job.secrets.strike(text));
    };
    let started = Instant::now();
    let mut look_at = started.elapsed() + LOOK;
    let mut ended: Option<(ExitStatus, Duration)> = None;
    loop {
        let until = ended.map_or(look_at, |(_, at)| at + REST);
        match hear.recv_timeout(until.saturating_sub(started.elapsed())) {
            Ok(Word::Line(text)) => {
                let text = String::from_utf8_lossy(&text);
                match &mut line {
                    Some(line) => line(&text),
                    None => log(&text),
                }
            }
            Ok(Word::Aside(text)) => log(&String::from_utf8_lossy(&text)),
            Ok(Word::NoMoreLines) => reading -= 1,
            Ok(Word::Ended(status)) => {
                let status = status.map_err(|error| format!("lost {name}: {error}"))?;
                ended = Some((status, started.elapsed()));
            }
            Err(RecvTimeoutError::Timeout) if ended.is_none() => {
                let before = started.elapsed();
                let used: u64 = job.watched.iter().map(|folder| tree::size(folder)).sum();
                if used > job.limit {
                    end(pid);
                    return Err(format!(
                        "it used more than {} MiB of disk and was ended; make less, clean up while it builds, or see \
                         build.limits.disk in tow.yaml",
                        job.limit >> 20
                    ));
                }
                // Looking costs more the more there is; it never takes more than a tenth of the time.
                look_at = started.elapsed() + LOOK.max((started.elapsed() - before) * 10);
            }
            Err(_) => reading = 0,
        }
        if let (Some((status, _)), 0) = (ended, reading) {
            return if status.success() {
                Ok(())
            } else {
                Err(format!("{name} ended with {status}; its log says why"))
            };
        }
    }
}

fn listen(stream: impl Read + Send + 'static, say: mpsc::Sender<Word>, word: fn(Vec<u8>) -> Word) {
    std::thread::spawn(move || {
        for text in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if say.send(word(text)).is_err() {
                return;
            }
        }
        let _ = say.send(Word::NoMoreLines);
    });
}

/// SIGKILL to a process and all that descend from it, the ancestors first, so that none goes on to start another.
fn end(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let mut line = vec![pid];
    while let Some(pid) = line.pop() {
        let children = children(pid);
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        line.extend(children);
    }
}

/// Those whose parent is `pid` just now; none where there is no `/proc`.
fn children(pid: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut children = Vec::new();
    for entry in entries.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `PID (NAME) STATE PPID …`, and the name may hold anything.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid) {
            children.push(child);
        }
    }
    children
}
