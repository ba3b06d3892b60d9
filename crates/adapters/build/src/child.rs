//! The tool that builds, as a child: a clean environment, a log that streams, a watch over the disk it uses.
//!
//! It stays in this process's group, so that whoever ends the build (its runtime, at the time limit or when it is
//! cancelled) ends the tool with it.

use crate::{environment, tree};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Between two looks at the disk, at least.
const LOOK: Duration = Duration::from_secs(1);
/// For the rest of the output once the tool has ended: something it left running may hold the pipe open.
const REST: Duration = Duration::from_secs(2);

/// What is run.
pub(crate) struct Job<'a> {
    /// In words, for messages.
    pub(crate) name: &'static str,
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<String>,
    pub(crate) folder: &'a Path,
    /// Over the inherited environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The folders it writes into, and how many bytes they may hold together.
    pub(crate) watched: Vec<PathBuf>,
    pub(crate) limit: u64,
}

enum Word {
    Line(String),
    NoMoreLines,
    Ended(std::io::Result<ExitStatus>),
}

/// Runs it to its end. Standard error goes to the log as it is; each line of standard output goes to `line`, or to the
/// log too where there is none. The error says why it made nothing.
pub(crate) fn run(job: Job<'_>, mut line: Option<&mut dyn FnMut(&str)>) -> Result<(), String> {
    let name = job.name;
    let mut command = Command::new(job.program);
    command
        .args(&job.args)
        .current_dir(job.folder)
        .env_clear()
        .envs(environment::own())
        .envs(&job.env)
        .stdin(Stdio::null())
        .stdout(if line.is_some() { Stdio::piped() } else { Stdio::inherit() });
    let mut child = command.spawn().map_err(|error| format!("cannot run {name}: {error}"))?;
    let (say, hear) = mpsc::channel();
    let pid = child.id();
    listen(&mut child, &say);
    let mut reading = line.is_some();
    std::thread::spawn(move || say.send(Word::Ended(child.wait())));

    let started = Instant::now();
    let mut look_at = started.elapsed() + LOOK;
    let mut ended: Option<(ExitStatus, Duration)> = None;
    loop {
        let until = ended.map_or(look_at, |(_, at)| at + REST);
        match hear.recv_timeout(until.saturating_sub(started.elapsed())) {
            Ok(Word::Line(text)) => {
                if let Some(line) = &mut line {
                    line(&text);
                }
            }
            Ok(Word::NoMoreLines) => reading = false,
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
                        "it used more than {} MiB of disk and was ended; make less, or clean up while it builds",
                        job.limit >> 20
                    ));
                }
                // Looking costs more the more there is; it never takes more than a tenth of the time.
                look_at = started.elapsed() + LOOK.max((started.elapsed() - before) * 10);
            }
            Err(_) => reading = false,
        }
        if let (Some((status, _)), false) = (ended, reading) {
            return if status.success() {
                Ok(())
            } else {
                Err(format!("{name} ended with {status}; its log says why"))
            };
        }
    }
}

fn listen(child: &mut Child, say: &mpsc::Sender<Word>) {
    let Some(stdout) = child.stdout.take() else { return };
    let say = say.clone();
    std::thread::spawn(move || {
        for text in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if say.send(Word::Line(String::from_utf8_lossy(&text).into_owned())).is_err() {
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

/// Where a program is: on the PATH, or in one of `more`.
pub(crate) fn find(name: &str, more: &[PathBuf]) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = environment::own().remove("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(more.iter().cloned())
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| {
            program
                .metadata()
                .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        })
}
