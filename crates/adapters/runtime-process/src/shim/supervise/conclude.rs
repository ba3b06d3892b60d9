//! What follows when nobody is left of an attempt: it is written down, and the next one is due or never comes.

use super::{Stage, Supervisor, Why};
use crate::state::{self, Attempt};
use tokio::time::Instant;
use tow_record::{Exit, Phase, Restart};

/// Whoever was ready and ran for so long did not fail by itself at its start.
const SERVED: tow_names::Duration = tow_names::Duration::from_millis(300);

impl Supervisor {
    /// Nobody is left of this attempt.
    pub(super) fn conclude(&mut self, why: Why) {
        self.end_network();
        self.out.drain(&mut self.log);
        self.err.drain(&mut self.log);
        let exit = match (self.ended.take(), why, &self.not_run) {
            (_, _, Some(_)) => Exit::NotStarted,
            (_, Why::TimeLimit, None) => Exit::Timeout,
            (exit, _, None) => exit.unwrap_or(Exit::Unknown),
        };
        let now = crate::wall::now();
        let was_ready = std::mem::take(&mut self.was_ready);
        let process = self.state.process.take();
        let ran = process.map(|process| now.since(process.at));
        let line = Attempt {
            attempt: self.state.attempt,
            at: now,
            pid: process.map(|process| process.pid),
            exit: Some(exit),
            ran,
        };
        // State is what counts; the list is for people and for what was lost.
        let _ = state::note(&self.folder, &line);
        self.state.exit = Some(exit);
        let words = self.not_run.take().unwrap_or_else(|| match exit {
            Exit::Code { code } => format!("exited with code {code}"),
            Exit::Signal { signal } => format!("ended by signal {signal}"),
            Exit::Timeout => {
                let limit = self.file.spec.time_limit.unwrap_or_default();
                format!("killed after its time limit of {limit}")
            }
            Exit::NotStarted => "could not be started".into(),
            Exit::Unknown => "ended while nobody watched; nobody knows how".into(),
        });
        let bound = self.watch.as_mut().and_then(|watch| watch.reason(exit));
        self.watch = None;
        self.log.say(&words);
        let words = match (why, std::mem::take(&mut self.state.message), bound) {
            (Why::Liveness | Why::Bounds, reason, _) => reason,
            (_, _, Some(reason)) => {
                self.log.say(&reason);
                reason
            }
            _ => words,
        };
        match self.file.spec.restart {
            _ if self.state.stop.is_some() => self.rest(&words),
            Restart::Never => self.rest(&words),
            Restart::Always(backoff) => {
                if ran.is_some_and(|ran| ran >= backoff.reset_after) {
                    self.state.streak = 0;
                }
                // Connections wait on the sockets of what is handed them: one that served is started again at once.
                let is_awaited = was_ready
                    && !self.file.spec.listen.is_empty()
                    && ran.is_some_and(|ran| ran >= SERVED);
                if is_awaited {
                    self.state.streak = 0;
                }
                let factor = 1i64 << self.state.streak.min(30);
                let wait = match is_awaited {
                    true => 0,
                    false => backoff.first.micros().saturating_mul(factor),
                };
                let wait = tow_names::Duration::from_micros(wait.min(backoff.most.micros()));
                let is_loop = self.state.streak >= backoff.crash_loop_after;
                self.state.phase = if is_loop { Phase::CrashLoop } else { Phase::Backoff };
                self.state.next = Some(now.plus(wait));
                self.state.message = match is_awaited {
                    true => format!("{words}; started again"),
                    false => format!("{words}; started again in {wait}"),
                };
                self.stage = Stage::Waiting(Instant::now() + wait.std());
                self.save(true);
            }
        }
    }

    /// For good.
    pub(super) fn rest(&mut self, words: &str) {
        self.state.phase = Phase::Exited;
        self.state.process = None;
        self.state.next = None;
        self.state.message = words.into();
        self.stage = Stage::Done;
        // Kept in the state: who removes the instance tries again.
        if let Some(group) = &self.state.group {
            group.remove();
        }
        self.quiet();
        self.save(true);
    }
}
