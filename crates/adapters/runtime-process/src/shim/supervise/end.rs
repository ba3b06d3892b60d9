//! Ends: asks the program to end, kills it when it is time, and leaves nobody of its tree behind.

use super::super::child::LEFT_BEHIND;
use super::{Stage, Supervisor, Why};
use crate::proc;
use crate::state::Stop;
use rustix::process::{Pid, Signal, kill_process_group};
use std::time::Duration;
use tokio::time::Instant;
use tow_record::{Exit, Phase};

/// A role that was told that the grace is over gets so long to kill what it stands for.
const URGED: Duration = Duration::from_secs(10);

impl Supervisor {
    /// SIGTERM now, SIGKILL then.
    pub(super) fn end(&mut self, why: Why, stop: Stop) {
        let grace = stop.by.since(crate::wall::now()).std();
        if why == Why::Stop {
            // Else it would take the place of what is stopped, and run on.
            self.call_off();
        }
        self.stage = Stage::Ending { why, kill_at: Instant::now() + grace };
        self.quiet();
        self.state.phase = Phase::Stopping;
        self.save(false);
        let first =
            self.file.spec.before_stop.clone().filter(|_| why == Why::Stop && !self.becoming);
        if let Some(argv) = first {
            self.log.say(&format!("stopping: {} first", argv.join(" ")));
            self.prepare(argv, grace);
            return;
        }
        self.log.say(match why {
            Why::Stop => "stopping: SIGTERM",
            Why::TimeLimit => "over its time limit: SIGTERM",
            Why::Liveness | Why::Itself => "SIGTERM",
            Why::Bounds => "SIGKILL",
        });
        self.signal_group(if why == Why::Bounds { Signal::KILL } else { Signal::TERM });
    }

    /// What is run before SIGTERM is over: however it went, it is time.
    pub(super) fn prepared(&mut self, ok: bool, what: &str) {
        if !matches!(self.stage, Stage::Ending { why: Why::Stop, .. }) || self.ended.is_some() {
            return;
        }
        let word = if ok { "" } else { "did not go well: " };
        self.log.say(&format!("{word}{what}; SIGTERM"));
        self.signal_group(Signal::TERM);
    }

    /// The process has ended: what it left behind ends too.
    pub(super) fn end_rest(&mut self) {
        self.quiet();
        if !matches!(self.stage, Stage::Ending { .. }) {
            let grace = LEFT_BEHIND.min(self.file.spec.grace.std());
            self.stage = Stage::Ending { why: Why::Itself, kill_at: Instant::now() + grace };
            for member in self.members() {
                proc::signal(&member, Signal::TERM);
            }
        }
        self.look();
    }

    /// No probes, not ready.
    pub(super) fn quiet(&mut self) {
        if let Some(probes) = self.probes.take() {
            probes.abort();
        }
        self.was_ready |= self.state.ready;
        self.state.ready = false;
        self.state.ready_since = None;
    }

    pub(super) fn signal_group(&self, signal: Signal) {
        let Some(process) = self.state.process.filter(proc::lives) else { return };
        if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, signal);
        }
    }

    pub(super) fn members(&self) -> Vec<proc::Stat> {
        let fifos = [self.folder.out(), self.folder.err()];
        proc::members(&proc::Marks {
            process: self.state.process,
            shim: Some(std::process::id()),
            fifos: Some([&fifos[0], &fifos[1]]),
        })
        .into_iter()
        .filter(|member| !self.is_beside(member))
        .collect()
    }

    pub(super) fn reap(&mut self) {
        let own = self.state.process.map(|process| process.pid).filter(|_| !self.adopted);
        let (mut how, mut others) = (None, Vec::new());
        self.reaper.reap(|pid, exit| {
            if own == Some(pid) {
                how = Some(exit);
            } else {
                others.push((pid, exit));
            }
        });
        for (pid, exit) in others {
            self.gone_beside(pid, exit);
        }
        match (own, how) {
            (Some(pid), Some(exit)) => self.gone(pid, exit),
            _ if self.ended.is_some() => self.look(),
            _ => {}
        }
    }

    /// A sandbox's first process tells how its program ended; by the signal that itself ended, where it could not.
    pub(super) fn exact(&self, exit: Exit) -> Exit {
        let word = self.file.confined.as_ref().and_then(|_| std::fs::read(self.folder.exit()).ok());
        word.and_then(|word| serde_json::from_slice(&word).ok()).unwrap_or(exit)
    }

    /// The process ended.
    pub(super) fn gone(&mut self, pid: u32, exit: Exit) {
        if self.ended.is_none() && self.state.process.is_some_and(|process| process.pid == pid) {
            if self.coming.is_some() && matches!(self.stage, Stage::Up(_)) {
                // Nobody is left to wait for: what was to take its place has it.
                self.log.say("ended before another took its place");
                self.state.process = None;
                self.take_over();
                return;
            }
            self.ended = Some(self.exact(exit));
            self.end_rest();
        }
    }

    /// Kills when it is time, and goes on when nobody is left.
    pub(super) fn look(&mut self) {
        let Stage::Ending { why, kill_at } = self.stage else { return };
        let is_late = kill_at <= Instant::now();
        if self.ended.is_none() && !is_late {
            return;
        }
        if is_late && self.is_role() && !self.urged && self.ended.is_none() {
            self.urged = true;
            self.log.say("did not end in time: to be killed");
            self.signal_group(Signal::INT);
            self.stage = Stage::Ending { why, kill_at: Instant::now() + URGED };
            return;
        }
        let members = self.members();
        if is_late {
            if !members.is_empty() && self.ended.is_none() {
                self.log.say("did not end in time: SIGKILL");
            }
            self.signal_group(Signal::KILL);
            for member in &members {
                proc::signal(member, Signal::KILL);
            }
        }
        if self.ended.is_some() && !self.becoming && members.is_empty() {
            self.conclude(why);
        }
    }
}
