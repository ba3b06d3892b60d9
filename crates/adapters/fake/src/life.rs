//! The life of one pretended instance: a state that moves when it is asked what it is by now. Pure.

use crate::script::Script;
use tow_names::{Duration, Timestamp};
use tow_record::{
    Exit, InstanceSpec, LogLine, LogStream, ObservedInstance, Phase, Probe, ProbeReport, Restart,
};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// Restarts that are caught up with in one look; the rest at the next one.
const CATCH_UP: usize = 10_000;
/// No two starts stand at the same time, so that catching up ends.
const LEAST_WAIT: Duration = Duration::from_millis(1);
/// The oldest lines go first.
const LINES: usize = 10_000;

#[derive(Debug, Clone, Copy)]
enum At {
    Running { since: Timestamp },
    Waiting { until: Timestamp },
    Stopping { until: Timestamp, exit: Exit },
    Ended,
    Lost,
}

#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) spec: InstanceSpec,
    pub(crate) script: Script,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) listening: Vec<String>,
    at: At,
    pid: u32,
    starts: u32,
    /// Ends in a row; one more than restarts in a row.
    streak: u32,
    exit: Option<Exit>,
    message: String,
}

impl Life {
    pub(crate) fn begin(spec: InstanceSpec, script: Script, pid: u32, now: Timestamp) -> Self {
        let mut life = Self {
            spec,
            script,
            lines: Vec::new(),
            listening: Vec::new(),
            at: At::Ended,
            pid,
            starts: 0,
            streak: 0,
            exit: None,
            message: String::new(),
        };
        life.start(now);
        life
    }

    fn say(&mut self, at: Timestamp, stream: LogStream, text: String) {
        if self.lines.len() >= LINES {
            self.lines.remove(0);
        }
        self.lines.push(LogLine { at, stream, text, partial: false });
    }

    fn start(&mut self, now: Timestamp) {
        self.starts += 1;
        self.at = At::Running { since: now };
        self.message = String::new();
        self.say(now, LogStream::Platform, format!("started {}", self.spec.title));
        for text in self.script.says.clone() {
            self.say(now, LogStream::Stdout, text);
        }
    }

    fn exited(&mut self, since: Timestamp, now: Timestamp, exit: Exit) {
        self.ended(now, exit);
        if let Restart::Always(backoff) = self.spec.restart {
            if now.since(since) >= backoff.reset_after {
                self.streak = 0;
            }
            let doubled = backoff.first.micros().saturating_mul(1 << self.streak.min(30));
            let wait = doubled.min(backoff.most.micros()).max(LEAST_WAIT.micros());
            self.streak += 1;
            self.at = At::Waiting { until: now.plus(Duration::from_micros(wait)) };
        }
    }

    fn ended(&mut self, now: Timestamp, exit: Exit) {
        self.at = At::Ended;
        self.exit = Some(exit);
        self.message = match exit {
            Exit::Code { code } => format!("exited with code {code}"),
            Exit::Signal { signal } => format!("ended by signal {signal}"),
            Exit::Timeout => "took longer than it may".into(),
            Exit::NotStarted => "could not be started".into(),
            Exit::Unknown => "ended, nobody knows how".into(),
        };
        self.say(now, LogStream::Platform, self.message.clone());
    }

    /// When and how the process that began at `since` ends by itself.
    fn end(&self, since: Timestamp) -> Option<(Timestamp, Exit)> {
        let scripted = self
            .script
            .ends
            .filter(|_| self.starts <= self.script.ends_times)
            .map(|(after, exit)| (since.plus(after), exit));
        let limit = self.spec.time_limit.map(|limit| (since.plus(limit), Exit::Timeout));
        [scripted, limit].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Moves on to `now`.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        for _ in 0..CATCH_UP {
            match self.at {
                At::Running { since } => match self.end(since) {
                    Some((at, exit)) if at <= now => self.exited(since, at, exit),
                    _ => return,
                },
                At::Waiting { until } if until <= now => self.start(until),
                At::Stopping { until, exit } if until <= now => self.ended(until, exit),
                _ => return,
            }
        }
    }

    /// When it will next be different by itself.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        match self.at {
            At::Running { since } => {
                let ready = self.script.ready_after.map(|after| since.plus(after));
                let end = self.end(since).map(|(at, _)| at);
                [ready, end].into_iter().flatten().filter(|at| *at > now).min()
            }
            At::Waiting { until } | At::Stopping { until, .. } => Some(until),
            At::Ended | At::Lost => None,
        }
    }

    pub(crate) fn stop(&mut self, now: Timestamp, grace: Duration) {
        match self.at {
            At::Running { .. } => {
                let killed = self.script.stops_after > grace;
                let after = self.script.stops_after.min(grace);
                let signal = if killed { SIGKILL } else { SIGTERM };
                self.at = At::Stopping { until: now.plus(after), exit: Exit::Signal { signal } };
                self.say(now, LogStream::Platform, "SIGTERM sent".into());
            }
            At::Waiting { .. } => self.at = At::Ended,
            At::Stopping { until, .. } if now.plus(grace) < until => {
                let exit = Exit::Signal { signal: SIGKILL };
                self.at = At::Stopping { until: now.plus(grace), exit };
            }
            At::Stopping { .. } | At::Ended | At::Lost => {}
        }
        self.settle(now);
    }

    /// The process ends now, by nobody's order.
    pub(crate) fn kill(&mut self, now: Timestamp, exit: Exit) {
        match self.at {
            At::Running { since } => self.exited(since, now, exit),
            At::Stopping { .. } => self.ended(now, exit),
            At::Waiting { .. } | At::Ended | At::Lost => {}
        }
    }

    /// The machine was started again under it.
    pub(crate) fn lose(&mut self) {
        if !matches!(self.at, At::Ended) {
            self.at = At::Lost;
            self.exit = Some(Exit::Unknown);
            self.message = "the machine was started again".into();
        }
    }

    /// What a probe would have asked, and been told.
    fn probed(&self, ok: bool) -> String {
        let told = |yes: &str, no: &str| if ok { yes.to_string() } else { no.to_string() };
        match &self.spec.readiness {
            Probe::Http(get) => format!("GET {} → {}", get.path, told("200", "no answer")),
            Probe::Exec(run) => format!("{} → {}", run.argv.join(" "), told("exit 0", "exit 1")),
            Probe::Tcp { port } => {
                format!("connect to port {port} → {}", told("accepted", "refused"))
            }
            Probe::Alive => format!("process → {}", told("there", "not yet")),
        }
    }

    pub(crate) fn observed(&self, now: Timestamp) -> ObservedInstance {
        let phase = match self.at {
            At::Running { .. } => Phase::Running,
            At::Waiting { .. } => match self.spec.restart {
                Restart::Always(backoff) if self.streak > backoff.crash_loop_after => {
                    Phase::CrashLoop
                }
                _ => Phase::Backoff,
            },
            At::Stopping { .. } => Phase::Stopping,
            At::Ended => Phase::Exited,
            At::Lost => Phase::Lost,
        };
        let ready_since = match (self.at, self.script.ready_after) {
            (At::Running { since }, Some(after)) => Some(since.plus(after)).filter(|at| *at <= now),
            _ => None,
        };
        let probe = match self.at {
            At::Running { since } => Some(ProbeReport {
                ok: ready_since.is_some(),
                what: self.probed(ready_since.is_some()),
                at: ready_since.unwrap_or(since),
            }),
            _ => None,
        };
        let runs = matches!(self.at, At::Running { .. } | At::Stopping { .. });
        ObservedInstance {
            id: self.spec.id.clone(),
            phase,
            ready: ready_since.is_some(),
            ready_since,
            pid: runs.then_some(self.pid + self.starts),
            restarts: self.starts.saturating_sub(1),
            exit: self.exit,
            probe,
            isolation: self.spec.setting.isolation,
            listening: self.listening.clone(),
            message: self.message.clone(),
        }
    }
}
