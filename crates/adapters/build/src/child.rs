//! The tool that builds, as a child: its own environment, a log that streams, a watch over the disk it uses.
//!
//! It stays in this process's group, so that whoever ends the build (its runtime, at a limit or when it is cancelled)
//! ends the tool with it.

use crate::{secret::Secrets, tree};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
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
    /// How many processes and how many bytes of memory it may have, for messages: who holds it to them is its runtime.
    pub(crate) processes: u64,
    pub(crate) memory: u64,
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
    let (say, hear) = mpsc::channel();
    // There before the tool is: one that forks without end leaves no room for a thread of ours.
    let lines = hears.then(|| ahead(listener(say.clone(), Word::Line)));
    let asides = strikes.then(|| ahead(listener(say.clone(), Word::Aside)));
    let waits = ahead(move |mut child: Child| {
        let _ = say.send(Word::Ended(child.wait()));
    });
    let mut child = command.spawn().map_err(|error| format!("cannot run {name}: {error}"))?;
    let pid = child.id();
    let mut reading = 0;
    if let (Some(stdout), Some(lines)) = (child.stdout.take(), lines) {
        reading += usize::from(lines.send(stdout).is_ok());
    }
    if let (Some(stderr), Some(asides)) = (child.stderr.take(), asides) {
        reading += usize::from(asides.send(stderr).is_ok());
    }
    let _ = waits.send(child);

    let log = |text: &str| {
        let _ = writeln!(std::io::stderr(), "{}", job.secrets.strike(text));
    };
    let refused = Refused::so_far();
    let started = Instant::now();
    let mut look_at = started.elapsed() + LOOK;
    let mut ended: Option<(ExitStatus, Duration)> = None;
    loop {
        // Before every word: what a tool says without end must not keep anybody from looking.
        if ended.is_none() && started.elapsed() >= look_at {
            let before = started.elapsed();
            if let Some(why) = over(&job, refused) {
                end(pid);
                return Err(why);
            }
            // Looking costs more the more there is; it never takes more than a tenth of the time.
            look_at = started.elapsed() + LOOK.max((started.elapsed() - before) * 10);
        }
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
            // Time to look.
            Err(RecvTimeoutError::Timeout) if ended.is_none() => {}
            Err(_) => reading = 0,
        }
        if let (Some((status, _)), 0) = (ended, reading) {
            return if status.success() {
                Ok(())
            } else {
                let why = || format!("{name} ended with {status}; its log says why");
                Err(beyond(&job, refused).unwrap_or_else(why))
            };
        }
    }
}

/// Why it can't go on, where it uses more than it may. `before`: what was refused before it began.
fn over(job: &Job<'_>, before: Refused) -> Option<String> {
    let used: u64 = job.watched.iter().map(|folder| tree::size(folder)).sum();
    if used > job.limit {
        return Some(format!(
            "it used more than {} MiB of disk and was ended; make less, clean up while it builds, or see \
             build.limits.disk in tow.yaml",
            job.limit >> 20
        ));
    }
    beyond(job, before)
}

/// The bound of its runtime that it ran into, where it did. What is refused a process, or loses one, either fails at once
/// or goes on for ever without.
fn beyond(job: &Job<'_>, before: Refused) -> Option<String> {
    let now = Refused::so_far();
    if now.processes > before.processes {
        return Some(format!(
            "it had the {} processes that it may have, wanted more and was ended; run fewer at once, or see \
             build.limits.processes in tow.yaml",
            job.processes
        ));
    }
    (now.memory > before.memory).then(|| {
        format!(
            "it wanted more than the {} MiB of memory that it may have and was ended; use less, or see \
             build.limits.memory in tow.yaml",
            job.memory >> 20
        )
    })
}

/// What this process's control groups say of their bounds; nothing where there are no such groups.
#[derive(Clone, Copy)]
struct Refused {
    /// How often another process was refused.
    processes: u64,
    /// How many processes were killed because there was no more memory.
    memory: u64,
}

impl Refused {
    fn so_far() -> Self {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let times = |controller: &str, files: [&str; 2], word: &str| -> u64 {
            let of = |line: &str| {
                let (kinds, path) = line.split_once(':')?.1.split_once(':')?;
                let file = match kinds {
                    "" => format!("/sys/fs/cgroup{path}/{}", files[1]),
                    kinds if kinds.split(',').any(|kind| kind == controller) => {
                        format!("/sys/fs/cgroup/{controller}{path}/{}", files[0])
                    }
                    _ => return None,
                };
                let text = std::fs::read_to_string(file).ok()?;
                text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok())
            };
            groups.lines().filter_map(of).sum()
        };
        Self {
            processes: times("pids", ["pids.events", "pids.events"], "max "),
            memory: times("memory", ["memory.oom_control", "memory.events"], "oom_kill "),
        }
    }
}

/// A thread that does its work once it is given what it is about; it ends where it is given nothing.
fn ahead<T: Send + 'static>(work: impl FnOnce(T) + Send + 'static) -> mpsc::Sender<T> {
    let (give, given) = mpsc::channel();
    std::thread::spawn(move || given.recv().map(work));
    give
}

fn listener<S: Read>(say: mpsc::Sender<Word>, word: fn(Vec<u8>) -> Word) -> impl FnOnce(S) + Send {
    move |stream| {
        for text in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if say.send(word(text)).is_err() {
                return;
            }
        }
        let _ = say.send(Word::NoMoreLines);
    }
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
