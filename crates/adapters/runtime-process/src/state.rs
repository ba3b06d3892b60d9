//! What a shim remembers: `state.json`, and the same as it is pushed to watchers. Decides nothing.

use crate::bounds::Group;
use crate::folder::Folder;
use serde::{Deserialize, Serialize};
use tow_names::{Duration, Id, Timestamp};
use tow_record::{Exit, Isolation, ObservedInstance, Phase, ProbeReport};

/// The form of state, spec and socket. A shim understands this and the one before.
pub(crate) const PROTOCOL: u32 = 1;

/// A process as it is known again: a pid alone says nothing, pids are given anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Also its process group.
    pub(crate) pid: u32,
    /// When it began, in the kernel's ticks since boot.
    pub(crate) started: u64,
    /// The session, which is the pid of the shim that started it.
    pub(crate) session: u32,
    /// When it began, for people and time limits.
    pub(crate) at: Timestamp,
}

/// It shall stop and stay stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// When SIGKILL is due.
    pub(crate) by: Timestamp,
}

/// Everything a new shim needs to go on where the last one was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) v: u32,
    /// The boot of the machine in which the pids mean something.
    pub(crate) boot: String,
    pub(crate) instance: Id,
    /// The highest seen.
    pub(crate) epoch: i64,
    /// Starts so far.
    pub(crate) attempt: u32,
    pub(crate) process: Option<Process>,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    pub(crate) ready_since: Option<Timestamp>,
    pub(crate) restarts: u32,
    /// Restarts in a row, for the backoff.
    pub(crate) streak: u32,
    pub(crate) exit: Option<Exit>,
    pub(crate) probe: Option<ProbeReport>,
    pub(crate) message: String,
    pub(crate) listening: Vec<String>,
    pub(crate) stop: Option<Stop>,
    /// When the next start is due.
    pub(crate) next: Option<Timestamp>,
    /// How far it is kept from the others.
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// What leads out of its own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<Process>,
    /// What holds its bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Group>,
    /// Program and arguments of the process; empty where nobody wrote them down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) runs: Vec<String>,
    /// What was started beside the process, to take its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) coming: Option<Process>,
    /// Whose place was taken, while they end what they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaving: Vec<Process>,
}

impl State {
    /// Of an instance that was not started yet.
    pub(crate) const fn new(instance: Id, boot: String, epoch: i64) -> Self {
        Self {
            v: PROTOCOL,
            boot,
            instance,
            epoch,
            attempt: 0,
            process: None,
            phase: Phase::Starting,
            ready: false,
            ready_since: None,
            restarts: 0,
            streak: 0,
            exit: None,
            probe: None,
            message: String::new(),
            listening: Vec::new(),
            stop: None,
            next: None,
            isolation: Isolation::None,
            network: None,
            group: None,
            runs: Vec::new(),
            coming: None,
            leaving: Vec::new(),
        }
    }

    /// It ended and stays so: no shim is needed any more.
    pub(crate) const fn ended(&self) -> bool {
        matches!(self.phase, Phase::Exited | Phase::Lost)
    }

    /// As the port has it.
    pub(crate) fn observed(&self) -> ObservedInstance {
        ObservedInstance {
            id: self.instance.clone(),
            phase: self.phase,
            ready: self.ready,
            ready_since: self.ready_since,
            pid: self.process.map(|process| process.pid),
            restarts: self.restarts,
            exit: self.exit,
            probe: self.probe.clone(),
            isolation: self.isolation,
            listening: self.listening.clone(),
            usage: None,
            message: self.message.clone(),
        }
    }
}

/// What `state.json` says.
pub(crate) enum Kept {
    /// Nothing: no shim came so far.
    Nothing,
    /// It can't be read as one of ours.
    Damaged(String),
    /// This.
    State(Box<State>),
}

/// Reads `state.json`.
pub(crate) fn read(folder: &Folder) -> Kept {
    match std::fs::read(folder.state()) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(state) => Kept::State(Box::new(state)),
            Err(err) => Kept::Damaged(err.to_string()),
        },
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Kept::Nothing,
        Err(err) => Kept::Damaged(err.to_string()),
    }
}

/// Writes `state.json`.
pub(crate) fn write(folder: &Folder, state: &State, durable: bool) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(state)?;
    crate::folder::replace(&folder.state(), &bytes, durable)
}

/// A line of `attempts.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<Exit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ran: Option<Duration>,
}

/// Adds a line to `attempts.jsonl`; it is on the disk when this returns.
pub(crate) fn note(folder: &Folder, line: &Attempt) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let path = folder.attempts();
    // A crash loop must not fill the disk: what is old goes, the last half stays.
    if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > 256 * 1024) {
        let old = std::fs::read(&path)?;
        let half = old.len() / 2;
        let from =
            old[half..].iter().position(|byte| *byte == b'\n').map_or(half, |n| half + n + 1);
        crate::folder::replace(&path, &old[from..], true)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(&bytes)?;
    file.sync_data()
}
