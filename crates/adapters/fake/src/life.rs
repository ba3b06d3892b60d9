//! The life of one pretended instance: a state that moves when it is asked what it is by now. Pure.

use crate::act::{self, Ground, Next, Scene, Term};
use crate::script::Script;
use std::collections::BTreeMap;
use tow_names::{Duration, Timestamp};
use tow_record::{
    Exit, InstanceSpec, LogLine, LogStream, ObservedInstance, Phase, Probe, ProbeReport, Restart,
    Usage,
};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// Restarts that are caught up with in one look; the rest at the next one.
const CATCH_UP: usize = 10_000;
/// No two starts stand at the same time, so that catching up ends.
const LEAST_WAIT: Duration = Duration::from_millis(1);
/// The oldest lines go first.
const LINES: usize = 10_000;
/// Longer ones are told in pieces.
const LONGEST: usize = 16 * 1024;
/// So many failures of a probe in a row count.
const FAILURES: i64 = 3;

#[derive(Debug, Clone, Copy)]
enum At {
    Running { since: Timestamp },
    Waiting { until: Timestamp },
    Stopping { until: Timestamp, exit: Exit },
    Ended,
    Lost,
}

/// How far a program that does something has come since its start.
#[derive(Clone, Default)]
struct Doing {
    /// The next act.
    next: usize,
    /// When it is due.
    due: Timestamp,
    term: Term,
    /// The readiness probe holds since then.
    well: Option<Timestamp>,
    /// It fails since then, and held before.
    unwell: Option<Timestamp>,
    /// The liveness probe held once.
    lived: bool,
    /// It fails since then.
    dying: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) spec: InstanceSpec,
    pub(crate) script: Script,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) listening: Vec<String>,
    /// What was written into files that nobody else sees.
    pub(crate) files: BTreeMap<String, String>,
    doing: Doing,
    at: At,
    pid: u32,
    starts: u32,
    /// Ends in a row; one more than restarts in a row.
    streak: u32,
    exit: Option<Exit>,
    message: String,
    pub(crate) usage: Option<Usage>,
}

impl Life {
    pub(crate) fn begin(
        spec: InstanceSpec,
        script: Script,
        pid: u32,
        now: Timestamp,
        ground: &mut Ground,
    ) -> Self {
        let mut life = Self {
            spec,
            script,
            lines: Vec::new(),
            listening: Vec::new(),
            files: BTreeMap::new(),
            doing: Doing::default(),
            at: At::Ended,
            pid,
            starts: 0,
            streak: 0,
            exit: None,
            message: String::new(),
            usage: None,
        };
        life.start(now, ground);
        life
    }

    /// It does things, rather than being ready or not.
    fn acts(&self) -> bool {
        self.script.acts.is_some()
    }

    fn say(&mut self, at: Timestamp, stream: LogStream, text: String) {
        if self.lines.len() >= LINES {
            self.lines.remove(0);
        }
        self.lines.push(LogLine { at, stream, text, partial: false });
    }

    /// What it printed, as a log has it.
    fn print(&mut self, at: Timestamp, stream: LogStream, bytes: &[u8]) {
        for line in bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n') {
            let mut pieces = line.chunks(LONGEST).peekable();
            if pieces.peek().is_none() {
                self.say(at, stream, String::new());
            }
            while let Some(piece) = pieces.next() {
                self.say(at, stream, String::from_utf8_lossy(piece).into_owned());
                if let Some(last) = self.lines.last_mut() {
                    last.partial = pieces.peek().is_some();
                }
            }
        }
    }

    fn start(&mut self, now: Timestamp, ground: &mut Ground) {
        self.starts += 1;
        self.at = At::Running { since: now };
        self.message = String::new();
        self.say(now, LogStream::Platform, format!("started {}", self.spec.title));
        for text in self.script.says.clone() {
            self.say(now, LogStream::Stdout, text);
        }
        self.doing = Doing { due: now, ..Doing::default() };
        self.look(now, ground);
    }

    /// Asks its probes.
    fn look(&mut self, now: Timestamp, ground: &mut Ground) {
        if !self.acts() {
            return;
        }
        let (readiness, liveness) = (self.spec.readiness.clone(), self.spec.liveness.clone());
        if self.holds(&readiness, ground) {
            self.doing.unwell = None;
            self.doing.well.get_or_insert(now);
        } else if self.doing.well.is_some() {
            self.doing.unwell.get_or_insert(now);
        }
        match liveness.map(|probe| self.holds(&probe, ground)) {
            Some(true) => (self.doing.lived, self.doing.dying) = (true, None),
            Some(false) if self.doing.lived => {
                self.doing.dying.get_or_insert(now);
            }
            _ => {}
        }
    }

    fn holds(&mut self, probe: &Probe, ground: &mut Ground) -> bool {
        let port = |port: &u16| self.spec.setting.inside.get(port).copied().unwrap_or(*port);
        let network = act::network(&self.spec);
        let answering = |at: u16| ground.answering.get(&(network.clone(), at));
        match probe {
            Probe::Alive => true,
            Probe::Tcp { port: at } => answering(port(at)).is_some(),
            Probe::Http(get) => answering(port(&get.port)).is_some_and(|one| one.well),
            Probe::Exec(run) => {
                let Some(acts) = act::acts_of(&run.argv) else { return false };
                let mut scene = self.scene(ground);
                let ends = acts.iter().find_map(|act| match scene.perform(act) {
                    Next::Ends(exit, _) => Some(exit),
                    _ => None,
                });
                ends.is_none_or(|exit| exit == Exit::Code { code: 0 })
            }
        }
    }

    fn scene<'a>(&'a mut self, ground: &'a mut Ground) -> Scene<'a> {
        Scene {
            spec: &self.spec,
            env: &self.spec.env,
            files: &mut self.files,
            ground,
            command: 0,
            tty: None,
            said: Vec::new(),
        }
    }

    /// When the next act is due, or a failing probe has failed often enough.
    fn due(&self) -> Option<Timestamp> {
        let acts = self.script.acts.as_ref()?;
        let act = (self.doing.next < acts.len()).then_some(self.doing.due);
        [act, self.death(), self.sickness()].into_iter().flatten().min()
    }

    fn death(&self) -> Option<Timestamp> {
        Some(self.doing.dying?.plus(Duration::from_micros(self.spec.interval.micros() * FAILURES)))
    }

    fn sickness(&self) -> Option<Timestamp> {
        Some(self.doing.unwell?.plus(Duration::from_micros(self.spec.interval.micros() * FAILURES)))
    }

    /// Does what is due.
    fn act(&mut self, since: Timestamp, now: Timestamp, ground: &mut Ground) {
        if self.sickness().is_some_and(|at| at <= now) {
            (self.doing.well, self.doing.unwell) = (None, None);
        } else if self.death().is_some_and(|at| at <= now) {
            let why = "not alive any more".to_string();
            self.say(now, LogStream::Platform, why.clone());
            self.exited(since, now, Exit::Signal { signal: SIGTERM }, ground);
            self.message = why;
        } else if let Some(act) =
            self.script.acts.as_ref().and_then(|acts| acts.get(self.doing.next)).cloned()
        {
            self.doing.next += 1;
            let mut scene = self.scene(ground);
            let next = scene.perform(&act);
            for (stream, bytes) in std::mem::take(&mut scene.said) {
                self.print(now, stream, &bytes);
            }
            match next {
                Next::On => {}
                Next::Wait(length) => self.doing.due = now.plus(length),
                Next::Term(term) => self.doing.term = term,
                // Nobody writes to a program.
                Next::Input | Next::Sizes | Next::Stay => self.doing.next = usize::MAX,
                Next::Ends(exit, why) => {
                    self.exited(since, now, exit, ground);
                    if let Some(why) = why {
                        self.say(now, LogStream::Platform, why.clone());
                        self.message = why;
                    }
                    return;
                }
            }
            self.look(now, ground);
        }
    }

    fn exited(&mut self, since: Timestamp, now: Timestamp, exit: Exit, ground: &mut Ground) {
        self.ended(now, exit, ground);
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

    fn ended(&mut self, now: Timestamp, exit: Exit, ground: &mut Ground) {
        if let (Term::Bye(_, text), At::Stopping { .. }, Exit::Code { .. }) =
            (&self.doing.term, self.at, exit)
        {
            let text = text.clone();
            self.say(now, LogStream::Stdout, text);
        }
        ground.leave(&self.spec.id, 0);
        self.doing = Doing::default();
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
    pub(crate) fn settle(&mut self, now: Timestamp, ground: &mut Ground) {
        // Probes look at what others did meanwhile, too.
        if matches!(self.at, At::Running { .. }) {
            self.look(now, ground);
        }
        for _ in 0..CATCH_UP {
            match self.at {
                At::Running { since } => match (self.due(), self.end(since)) {
                    (Some(due), end) if due <= now && end.is_none_or(|(at, _)| due <= at) => {
                        self.act(since, due, ground);
                    }
                    (_, Some((at, exit))) if at <= now => self.exited(since, at, exit, ground),
                    _ => return,
                },
                At::Waiting { until } if until <= now => self.start(until, ground),
                At::Stopping { until, exit } if until <= now => self.ended(until, exit, ground),
                _ => return,
            }
        }
    }

    /// When it will next be different by itself.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        match self.at {
            At::Running { since } => {
                let end = self.end(since).map(|(at, _)| at);
                let all = [self.ready_at(since), end, self.due()];
                all.into_iter().flatten().filter(|at| *at > now).min()
            }
            At::Waiting { until } | At::Stopping { until, .. } => Some(until),
            At::Ended | At::Lost => None,
        }
    }

    /// It is ready from then on, if nothing comes between.
    fn ready_at(&self, since: Timestamp) -> Option<Timestamp> {
        if !self.acts() {
            return self.script.ready_after.map(|after| since.plus(after));
        }
        let more = i64::from(self.spec.successes.saturating_sub(1));
        Some(self.doing.well?.plus(Duration::from_micros(self.spec.interval.micros() * more)))
    }

    /// It is there, and a command may be run beside it.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.at, At::Running { .. })
    }

    /// How long after SIGTERM it ends, and how.
    fn ends_at_term(&self) -> (Duration, Exit) {
        let signal = Exit::Signal { signal: SIGTERM };
        if !self.acts() {
            return (self.script.stops_after, signal);
        }
        match &self.doing.term {
            Term::Ends => (Duration::ZERO, Exit::Code { code: 0 }),
            Term::Ignored => (Duration::from_micros(i64::MAX), signal),
            Term::Default => (Duration::ZERO, signal),
            Term::Bye(after, _) => (*after, Exit::Code { code: 0 }),
        }
    }

    pub(crate) fn stop(&mut self, now: Timestamp, grace: Duration, ground: &mut Ground) {
        match self.at {
            At::Running { .. } => {
                let (after, by_itself) = self.ends_at_term();
                let exit = match after > grace {
                    true => Exit::Signal { signal: SIGKILL },
                    false => by_itself,
                };
                self.at = At::Stopping { until: now.plus(after.min(grace)), exit };
                self.say(now, LogStream::Platform, "SIGTERM sent".into());
            }
            At::Waiting { .. } => self.at = At::Ended,
            At::Stopping { until, .. } if now.plus(grace) < until => {
                let exit = Exit::Signal { signal: SIGKILL };
                self.at = At::Stopping { until: now.plus(grace), exit };
            }
            At::Stopping { .. } | At::Ended | At::Lost => {}
        }
        self.settle(now, ground);
    }

    /// The process ends now, by nobody's order.
    pub(crate) fn kill(&mut self, now: Timestamp, exit: Exit, ground: &mut Ground) {
        match self.at {
            At::Running { since } => self.exited(since, now, exit, ground),
            At::Stopping { .. } => self.ended(now, exit, ground),
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
        let ready_since = match self.at {
            At::Running { since } => self.ready_at(since).filter(|at| *at <= now),
            _ => None,
        };
        let probe = match self.at {
            At::Running { since } => {
                let held = self.doing.well.filter(|_| self.doing.unwell.is_none());
                let held = if self.acts() { held } else { ready_since };
                Some(ProbeReport {
                    ok: held.is_some(),
                    what: self.probed(held.is_some()),
                    at: held.unwrap_or(since),
                })
            }
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
            usage: self.usage,
            message: self.message.clone(),
        }
    }
}
