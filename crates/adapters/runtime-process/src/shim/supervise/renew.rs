//! Another program takes the place of the one that runs, on the same sockets and without a gap: it is started beside,
//! says that it is ready, and only then is the other told to end; that one finishes what it began. One that does not get
//! ready goes, and nothing has changed. What the program itself says (sd_notify) is heard here, too.

use super::super::notify::Word;
use super::super::{child, supervise::begin::wait_for_adopted};
use super::{Event, Stage, Supervisor, Why};
use crate::proc::{self, Stat};
use crate::spec::SpecFile;
use crate::state::{self, Attempt, Process, Stop};
use rustix::process::{Pid, Signal, kill_process_group};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tow_record::{Bounds, Exit, Phase, Program};

/// One that takes a place may take so long to say that it is ready.
const READY: Duration = Duration::from_secs(10);
/// Whoever left its place has so long for what it began.
const LEAVE: Duration = Duration::from_secs(15 * 60);
/// After one that failed none is tried for so long.
const SPOILT: Duration = Duration::from_secs(20);
/// Names of kept sockets are written down so long after a change; more changes come with it.
const NOTE: Duration = Duration::from_millis(250);

impl Supervisor {
    /// Starts what the spec says beside what runs, where these are not the same. Nothing to do where nothing runs: the
    /// next start is of the new one.
    pub(super) fn renew(&mut self) -> Result<(), String> {
        let cannot = |err: std::io::Error| format!("cannot read spec.json: {err}");
        let file = SpecFile::read(&self.folder).map_err(cannot)?;
        let Program::Command { argv } = &file.spec.program else { return Ok(()) };
        let is_same = self.state.runs.is_empty() || self.state.runs == *argv;
        if self.coming.is_some()
            || (is_same && file.spec.listen.len() == self.file.spec.listen.len())
        {
            return Ok(());
        }
        if file.spec.listen.is_empty()
            || file.confined.is_some()
            || file.bounds() != Bounds::default()
        {
            return Err("only what is handed its sockets can be replaced while it runs".into());
        }
        if let Some((until, why)) = &self.spoilt
            && *until > Instant::now()
        {
            return Err(why.clone());
        }
        let before = std::mem::replace(&mut self.file, Arc::new(file));
        if !matches!(self.stage, Stage::Up(_)) || self.becoming {
            return Ok(());
        }
        self.before = Some(before);
        self.begin_beside().inspect_err(|why| self.spoil(why.clone()))
    }

    fn begin_beside(&mut self) -> Result<(), String> {
        self.sockets.complete(&self.file.spec, &self.state.listening)?;
        self.state.listening = self.sockets.addresses();
        let waiting = child::make(&self.folder, &self.file)?;
        let process = waiting.process;
        self.coming = Some((process, Instant::now() + READY));
        self.state.coming = Some(process);
        // From here on another shim would find it; only then does it become the program.
        state::write(&self.folder, &self.state, true)
            .map_err(|err| format!("cannot write state.json: {err}"))?;
        let became = waiting
            .go(&self.folder, &self.sockets)
            .map_err(|err| format!("cannot start the process: {err}"))?;
        let events = self.events.clone();
        tokio::spawn(async move {
            let failure = became.await;
            let _ = events.send(Event::Came { pid: process.pid, failure }).await;
        });
        self.log.say(&format!("another is to take its place: started, pid {}", process.pid));
        Ok(())
    }

    /// It runs, or what kept it from that.
    pub(super) fn came(&mut self, pid: u32, failure: Option<String>) {
        if let Some(why) = failure
            && self.coming.is_some_and(|(process, _)| process.pid == pid)
        {
            self.spoil(why);
        }
    }

    /// It is ready: it is the program from here on.
    pub(super) fn take_over(&mut self) {
        let Some((process, _)) = self.coming.take() else { return };
        if let Some(probes) = self.probes.take() {
            probes.abort();
        }
        let before = self.state.process.replace(process);
        self.state.coming = None;
        self.state.attempt += 1;
        self.state.runs = self.file.argv();
        self.state.phase = Phase::Running;
        self.state.message.clear();
        let was_adopted = std::mem::replace(&mut self.adopted, false);
        self.stage = Stage::Up(self.limit(&process));
        (self.spoilt, self.before) = (None, None);
        // Whatever became of the one before is not this one's.
        (self.ended, self.not_run, self.becoming, self.urged) = (None, None, false, false);
        let (attempt, pid) = (self.state.attempt, Some(process.pid));
        let line = Attempt { attempt, at: process.at, pid, exit: None, ran: None };
        let _ = state::note(&self.folder, &line);
        self.state.leaving.extend(before);
        // Kept before the other is told: a crash must not leave two of which nobody knows.
        self.save(true);
        self.log.say(&format!("took its place: pid {}", process.pid));
        if let Some(before) = before {
            self.leaving.push((before, Instant::now() + LEAVE));
            if !was_adopted && !proc::lives(&before) {
                self.left(before.pid);
            } else {
                signal_group(&before, Signal::TERM);
            }
        }
        self.probe();
    }

    /// It did not come to anything; what runs goes on.
    fn spoil(&mut self, why: String) {
        if let Some((process, _)) = self.coming.take() {
            signal_group(&process, Signal::KILL);
        }
        self.state.coming = None;
        if let Some(before) = self.before.take() {
            self.file = before;
        }
        let words = format!("another could not take its place: {why}");
        self.log.say(&words);
        self.state.message.clone_from(&words);
        self.spoilt = Some((Instant::now() + SPOILT, words));
        self.save(true);
    }

    /// What was to take the place of one that is stopped goes.
    pub(super) fn call_off(&mut self) {
        if self.coming.is_some() {
            self.spoil("it is stopped".into());
        }
    }

    /// A stop where no program runs: what is beside it ends too, until then.
    pub(super) fn stop_beside(&mut self, stop: Stop) {
        self.call_off();
        if self.leaving.is_empty() {
            self.rest("stopped");
            return;
        }
        // They were told to end as they left their place.
        let grace = stop.by.since(crate::wall::now()).std();
        self.ended = Some(self.state.exit.unwrap_or(Exit::Unknown));
        self.stage = Stage::Ending { why: Why::Stop, kill_at: Instant::now() + grace };
        self.state.phase = Phase::Stopping;
        self.save(false);
    }

    /// What another shim left beside: one that was not ready yet goes, and the spec brings another; one that leaves is
    /// let go on.
    pub(super) fn resume_beside(&mut self) {
        if let Some(process) = self.state.coming.take().filter(proc::lives) {
            signal_group(&process, Signal::KILL);
        }
        self.state.leaving.retain(proc::lives);
        for process in self.state.leaving.clone() {
            self.leaving.push((process, Instant::now() + LEAVE));
            signal_group(&process, Signal::TERM);
            tokio::spawn(wait_for_adopted(process, self.events.clone()));
        }
    }

    /// A child other than the program ended.
    pub(super) fn gone_beside(&mut self, pid: u32, exit: Exit) {
        if self.is_leaving(pid) {
            self.left(pid);
        } else if self.coming.is_some_and(|(process, _)| process.pid == pid) {
            let how = match exit {
                Exit::Code { code } => format!("exited with code {code}"),
                Exit::Signal { signal } => format!("ended by signal {signal}"),
                Exit::Timeout | Exit::NotStarted | Exit::Unknown => "ended".into(),
            };
            self.spoil(format!("{how} before it was ready"));
        }
    }

    pub(super) fn is_leaving(&self, pid: u32) -> bool {
        self.leaving.iter().any(|(process, _)| process.pid == pid)
    }

    /// Whoever left its place is done.
    pub(super) fn left(&mut self, pid: u32) {
        self.leaving.retain(|(process, _)| process.pid != pid);
        self.state.leaving.retain(|process| process.pid != pid);
        self.log.say(&format!("pid {pid} is done and gone"));
        self.save(false);
    }

    /// Is it of one that comes or leaves? When all is to end, these too.
    pub(super) fn is_beside(&self, member: &Stat) -> bool {
        let mut beside = self.coming.iter().chain(&self.leaving);
        self.state.stop.is_none() && beside.any(|(process, _)| member.group == process.pid)
    }

    /// What is late.
    pub(super) fn beside_is_due(&mut self) {
        let now = Instant::now();
        if self.coming.is_some_and(|(_, until)| until <= now) {
            self.spoil(format!("not ready within {} s", READY.as_secs()));
        }
        for (process, until) in &mut self.leaving {
            if *until <= now {
                self.log.say(&format!("pid {} did not end in time: SIGKILL", process.pid));
                signal_group(process, Signal::KILL);
                *until = now + READY;
            }
        }
        if self.note_at.is_some_and(|at| at <= now) {
            self.note_at = None;
            self.sockets.note(&self.folder);
        }
    }

    /// What the program said.
    pub(super) fn notified(&mut self) {
        let words = self.notify.as_ref().map(super::super::notify::Notify::words);
        for word in words.into_iter().flatten() {
            match word {
                Word::Ready { pid } => {
                    if self.coming.is_some_and(|(process, _)| process.pid == pid) {
                        self.take_over();
                    }
                }
                Word::Keep { name, sockets } => {
                    for socket in sockets {
                        if let Some(word) = self.sockets.keep(name.clone(), socket) {
                            self.log.say(&word);
                        }
                    }
                    self.note_at.get_or_insert(Instant::now() + NOTE);
                }
                Word::Forget { name } => {
                    self.sockets.forget(&name);
                    self.note_at.get_or_insert(Instant::now() + NOTE);
                }
            }
        }
    }
}

fn signal_group(process: &Process, signal: Signal) {
    if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw)
        && proc::lives(process)
    {
        let _ = kill_process_group(pid, signal);
    }
}
