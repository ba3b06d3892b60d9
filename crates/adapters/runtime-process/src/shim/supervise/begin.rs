//! Begins: a first start, the next one, or where another shim left off.

use super::super::{child, recover::Found};
use super::{Event, LOOK, Stage, Supervisor, Why};
use crate::bounds::{Group, Watch};
use crate::folder::Folder;
use crate::proc;
use crate::state::{self, Attempt, Process};
use rustix::process::Pid;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tow_record::{Bounds, Exit, Phase};

impl Supervisor {
    /// Goes on where the last shim was.
    pub(super) fn resume(&mut self, found: Found) {
        self.resume_beside();
        match found {
            Found::NotRunning => match self.state.stop {
                Some(stop) => self.stop_beside(stop),
                None => {
                    let wait = self
                        .state
                        .next
                        .map_or(Duration::ZERO, |next| next.since(crate::wall::now()).std());
                    self.stage = Stage::Waiting(Instant::now() + wait);
                }
            },
            Found::Alive(process) => self.adopt(process),
            Found::Ended => {
                self.adopted = true;
                self.ended = Some(self.exact(Exit::Unknown));
                self.end_rest();
            }
        }
    }

    pub(super) fn adopt(&mut self, process: Process) {
        self.adopted = true;
        self.held = if self.state.ready { self.file.spec.successes } else { 0 };
        self.liveness_counts = self.state.ready;
        self.state.phase = Phase::Running;
        self.stage = Stage::Up(self.limit(&process));
        self.watch = Watch::new(self.file.bounds(), self.state.group.clone().unwrap_or_default());
        tokio::spawn(wait_for_adopted(process, self.events.clone()));
        self.watch_network();
        match self.state.stop {
            Some(stop) => self.end(Why::Stop, stop),
            None => {
                self.save(false);
                self.probe();
                // The last shim may have died before it was done.
                if let Err(why) = self.renew() {
                    self.log.say(&why);
                }
            }
        }
    }

    /// When the process is over its time limit.
    pub(super) fn limit(&self, process: &Process) -> Option<Instant> {
        let due = process.at.plus(self.file.spec.time_limit?);
        Some(Instant::now() + due.since(crate::wall::now()).std())
    }

    pub(super) fn launch(&mut self) {
        self.adopted = false;
        self.not_run = None;
        self.urged = false;
        self.was_ready = false;
        if self.state.attempt > 0 {
            self.state.restarts += 1;
            self.state.streak += 1;
        }
        self.state.attempt += 1;
        self.state.next = None;
        self.state.probe = None;
        self.state.message.clear();
        self.state.phase = Phase::Starting;
        if let Err(why) = self.try_launch() {
            self.state.process = None;
            self.not_run = Some(why);
            self.ended = Some(Exit::NotStarted);
            self.end_rest();
        }
    }

    pub(super) fn try_launch(&mut self) -> Result<(), String> {
        self.sockets.complete(&self.file.spec, &self.state.listening)?;
        if !self.file.spec.listen.is_empty() {
            self.state.listening = self.sockets.addresses();
        }
        let bounds = self.file.bounds();
        let group = bound(&self.folder, &bounds);
        self.state.group = group.clone();
        let waiting = child::make(&self.folder, &self.file)?;
        let process = waiting.process;
        self.state.process = Some(process);
        if !self.file.spec.listen.is_empty() {
            self.state.runs = self.file.argv();
        }
        self.state.network = waiting.network;
        // From here on another shim would find it; only then does it become the program.
        state::write(&self.folder, &self.state, true)
            .map_err(|err| format!("cannot write state.json: {err}"))?;
        let attempt = self.state.attempt;
        let line =
            Attempt { attempt, at: process.at, pid: Some(process.pid), exit: None, ran: None };
        state::note(&self.folder, &line)
            .map_err(|err| format!("cannot write attempts.jsonl: {err}"))?;
        if let Some(group) = &group {
            group.join(process.pid).map_err(|err| format!("cannot bound the process: {err}"))?;
        }
        self.bound_network();
        self.watch_network();
        self.watch = Watch::new(bounds, group.unwrap_or_default());
        let became = waiting
            .go(&self.folder, &self.sockets)
            .map_err(|err| format!("cannot start the process: {err}"))?;
        let events = self.events.clone();
        tokio::spawn(async move {
            let failure = became.await;
            let _ = events.send(Event::Became { attempt, failure }).await;
        });
        self.becoming = true;
        self.stage = Stage::Up(self.limit(&process));
        self.pushed.send_replace(self.state.clone());
        Ok(())
    }

    pub(super) fn became(&mut self, failure: Option<String>) {
        self.becoming = false;
        match failure {
            Some(why) => self.not_run = Some(why),
            None => {
                let pid = self.state.process.map_or(0, |process| process.pid);
                self.log.say(&format!("started, pid {pid}"));
                if matches!(self.stage, Stage::Up(_)) {
                    self.state.phase = Phase::Running;
                    self.save(false);
                    (self.held, self.failed, self.liveness_failed) = (0, 0, 0);
                    self.liveness_counts = false;
                    self.probe();
                }
            }
        }
        // It may have ended before it could say so.
        if self.ended.is_some() {
            self.look();
        }
    }
}

/// The groups that hold these bounds, below one of this platform's own.
fn bound(folder: &Folder, bounds: &Bounds) -> Option<Group> {
    if *bounds == Bounds::default() {
        return None;
    }
    let name = folder.path().file_name()?.to_str()?;
    Some(Group::make(&folder.platform()?, name, bounds))
}

/// Nobody is told of the end of a process that is not its child; its descriptor knows.
pub(super) async fn wait_for_adopted(process: Process, events: mpsc::Sender<Event>) {
    ended(process).await;
    let _ = events.send(Event::Gone { pid: process.pid }).await;
}

/// Returns when it has ended, whoever's child it is.
pub(super) async fn ended(process: Process) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, pidfd_open};
        let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
        // The descriptor first, then the check: in between the pid can't be given anew unnoticed.
        if let Some(Ok(fd)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK))
            && proc::lives(&process)
        {
            #[expect(
                deprecated,
                reason = "an owned descriptor stays what it is, and `register` is unsafe"
            )]
            let fd = tokio::io::unix::AsyncFd::new(fd);
            if let Ok(fd) = fd {
                let _ = fd.readable().await;
            }
        }
    }
    while proc::lives(&process) {
        tokio::time::sleep(LOOK * 5).await;
    }
}
