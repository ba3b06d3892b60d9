//! The shim's one loop: starts, ends, restarts, probes' verdicts, orders. Every change that another shim must know of
//! is on the disk before the world sees its effect.

use super::probe::{Prober, Which};
use super::reaper::Reaper;
use super::recover::{Found, recover};
use super::{Order, child, control, sockets};
use crate::folder::Folder;
use crate::log::{Tap, Writer};
use crate::proc;
use crate::proto::{Reply, Request, Verb};
use crate::spec::SpecFile;
use crate::state::{self, Attempt, Kept, Process, State, Stop};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tow_record::{Exit, LogStream, Phase, ProbeReport, Restart};

/// Failures in a row until a ready program counts as unready, and a living one as dead.
const FAILURES: u32 = 3;
/// What a program that ended by itself leaves behind gets so long to end too.
const LEFT_BEHIND: Duration = Duration::from_secs(1);
/// How often what is being ended is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often a probe that goes on failing is told.
const TELL: Duration = Duration::from_millis(500);

/// What comes to the loop.
pub(super) enum Event {
    /// The child became the program, or what kept it from that.
    Became { attempt: u32, failure: Option<String> },
    /// An adopted program ended.
    Gone { pid: u32 },
    /// A probe's verdict.
    Probed { attempt: u32, which: Which, report: ProbeReport },
    /// Somebody wants something.
    Asked { request: Request, answer: oneshot::Sender<Reply> },
}

/// Why a program is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It ended by itself; what it left behind goes.
    Itself,
    Stop,
    Liveness,
    TimeLimit,
}

enum Stage {
    /// No process; the next start is due then.
    Waiting(Instant),
    /// There is a process; it is killed then, if it has a limit.
    Up(Option<Instant>),
    Ending {
        why: Why,
        kill_at: Instant,
    },
    /// The shim may end.
    Done,
}

struct Supervisor {
    folder: Folder,
    file: Arc<SpecFile>,
    state: State,
    pushed: watch::Sender<State>,
    log: Writer,
    out: Tap,
    err: Tap,
    listeners: Vec<TcpListener>,
    reaper: Reaper,
    events: mpsc::Sender<Event>,
    stage: Stage,
    probes: Option<AbortHandle>,
    /// The process is not our child: nobody will tell how it ended.
    adopted: bool,
    /// How the process ended, once it did, while what it left is being ended.
    ended: Option<Exit>,
    /// Why the child could not become the program.
    not_run: Option<String>,
    /// The child was let go and has not said yet whether it became the program.
    becoming: bool,
    held: u32,
    failed: u32,
    liveness_failed: u32,
    liveness_counts: bool,
    told: Instant,
}

/// Runs the instance until it has ended for good.
pub(super) async fn supervise(
    order: Order,
    file: SpecFile,
    boot: String,
    kept: Kept,
    _lock: File,
) -> Result<(), String> {
    let folder = order.folder.clone();
    let at =
        |what: &str, err: std::io::Error| format!("{}: {what}: {err}", folder.path().display());
    // Before any child: an end that is not noticed would never be told again.
    let mut children = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())
        .map_err(|err| at("signals", err))?;
    let (mut state, found) = recover(&order, file.epoch, boot, kept);
    let listeners = sockets::bind(&file.spec, &state.listening, state.process.as_ref())?;
    if !listeners.is_empty() {
        state.listening = sockets::addresses(&listeners);
    }
    let mut log = Writer::open(&folder.log()).map_err(|err| at("log", err))?;
    let out = Tap::open(&folder.out(), LogStream::Stdout).map_err(|err| at("out.fifo", err))?;
    let err = Tap::open(&folder.err(), LogStream::Stderr).map_err(|err| at("err.fifo", err))?;
    let socket = control::listen(&folder).map_err(|err| at("ctl.sock", err))?;
    if let Some(grace) = order.stop
        && state.stop.is_none()
    {
        state.stop = Some(Stop { by: crate::wall::now().plus(grace) });
    }
    state::write(&folder, &state, true).map_err(|err| at("state.json", err))?;
    if state.attempt > 0 {
        log.say("a new shim took over");
    }
    super::say("ok");

    let (pushed, states) = watch::channel(state.clone());
    let (events, mut inbox) = mpsc::channel(16);
    let control = tokio::spawn(control::serve(socket, states, events.clone()));
    let mut this = Supervisor {
        folder,
        file: Arc::new(file),
        state,
        pushed,
        log,
        out,
        err,
        listeners,
        reaper: Reaper::default(),
        events,
        stage: Stage::Waiting(Instant::now()),
        probes: None,
        adopted: false,
        ended: None,
        not_run: None,
        becoming: false,
        held: 0,
        failed: 0,
        liveness_failed: 0,
        liveness_counts: false,
        told: Instant::now(),
    };
    this.resume(found);
    while !matches!(this.stage, Stage::Done) {
        let wake = this.wake();
        let due = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now));
        tokio::select! {
            biased;
            _ = children.recv() => this.reap(),
            Some(event) = inbox.recv() => this.on(event),
            () = due, if wake.is_some() => this.tick(),
            // What the program writes comes after the word that it was started.
            () = this.err.readable(), if !this.becoming => this.err.pump(&mut this.log),
            () = this.out.readable(), if !this.becoming => this.out.pump(&mut this.log),
        }
    }
    // Everybody who watches gets the last state; nobody keeps the shim from ending.
    drop(this);
    let _ = tokio::time::timeout(Duration::from_millis(500), control).await;
    Ok(())
}

impl Supervisor {
    /// Goes on where the last shim was.
    fn resume(&mut self, found: Found) {
        match found {
            Found::NotRunning if self.state.stop.is_some() => self.rest("stopped"),
            Found::NotRunning => {
                let wait = self
                    .state
                    .next
                    .map_or(Duration::ZERO, |next| next.since(crate::wall::now()).std());
                self.stage = Stage::Waiting(Instant::now() + wait);
            }
            Found::Alive(process) => self.adopt(process),
            Found::Ended => {
                self.adopted = true;
                self.ended = Some(Exit::Unknown);
                self.end_rest();
            }
        }
    }

    fn adopt(&mut self, process: Process) {
        self.adopted = true;
        self.held = if self.state.ready { self.file.spec.successes } else { 0 };
        self.liveness_counts = self.state.ready;
        self.state.phase = Phase::Running;
        self.stage = Stage::Up(self.limit(&process));
        tokio::spawn(wait_for_adopted(process, self.events.clone()));
        match self.state.stop {
            Some(stop) => self.end(Why::Stop, stop),
            None => {
                self.save(false);
                self.probe();
            }
        }
    }

    /// When the process is over its time limit.
    fn limit(&self, process: &Process) -> Option<Instant> {
        let due = process.at.plus(self.file.spec.time_limit?);
        Some(Instant::now() + due.since(crate::wall::now()).std())
    }

    fn launch(&mut self) {
        self.adopted = false;
        self.not_run = None;
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

    fn try_launch(&mut self) -> Result<(), String> {
        if self.listeners.len() < self.file.spec.listen.len() {
            self.listeners = sockets::bind(&self.file.spec, &self.state.listening, None)?;
            self.state.listening = sockets::addresses(&self.listeners);
        }
        let waiting = child::make(&self.folder, &self.file)
            .map_err(|err| format!("cannot make a process: {err}"))?;
        let process = waiting.process;
        self.state.process = Some(process);
        // From here on another shim would find it; only then does it become the program.
        state::write(&self.folder, &self.state, true)
            .map_err(|err| format!("cannot write state.json: {err}"))?;
        let attempt = self.state.attempt;
        let line =
            Attempt { attempt, at: process.at, pid: Some(process.pid), exit: None, ran: None };
        state::note(&self.folder, &line)
            .map_err(|err| format!("cannot write attempts.jsonl: {err}"))?;
        let became = waiting
            .go(&self.listeners)
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

    fn probe(&mut self) {
        let prober = Prober::new(
            self.folder.clone(),
            self.file.clone(),
            self.reaper.clone(),
            self.state.attempt,
            self.events.clone(),
        );
        self.probes = Some(tokio::spawn(async move { prober.run().await }).abort_handle());
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Became { attempt, failure } if attempt == self.state.attempt => {
                self.became(failure);
            }
            Event::Gone { pid } if self.adopted => self.gone(pid, Exit::Unknown),
            Event::Probed { attempt, which, report }
                if attempt == self.state.attempt && matches!(self.stage, Stage::Up(_)) =>
            {
                match which {
                    Which::Readiness => self.readiness(report),
                    Which::Liveness => self.liveness(&report),
                }
            }
            Event::Asked { request, answer } => {
                let _ = answer.send(self.asked(&request));
            }
            // Of an attempt that is over.
            Event::Became { .. } | Event::Gone { .. } | Event::Probed { .. } => {}
        }
    }

    fn became(&mut self, failure: Option<String>) {
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

    fn readiness(&mut self, report: ProbeReport) {
        let was = (self.state.ready, self.state.probe.as_ref().map(|probe| probe.ok));
        if report.ok {
            self.held = self.held.saturating_add(1);
            self.failed = 0;
            if self.held >= self.file.spec.successes && !self.state.ready {
                self.state.ready = true;
                self.state.ready_since = Some(report.at);
                self.liveness_counts = true;
                self.state.message.clear();
            }
        } else {
            self.held = 0;
            self.failed = self.failed.saturating_add(1);
            if self.failed >= FAILURES {
                self.state.ready = false;
                self.state.ready_since = None;
            }
        }
        let now = (self.state.ready, Some(report.ok));
        self.state.probe = Some(report);
        if was != now {
            self.save(false);
        } else if now.1 == Some(false) && self.told.elapsed() > TELL {
            self.told = Instant::now();
            self.pushed.send_replace(self.state.clone());
        }
    }

    /// A program that was never ready or alive is still starting: that is no reason to start it again.
    fn liveness(&mut self, report: &ProbeReport) {
        if report.ok {
            self.liveness_counts = true;
            self.liveness_failed = 0;
            return;
        }
        self.liveness_failed += 1;
        if self.liveness_counts && self.liveness_failed >= FAILURES {
            self.state.message = format!("not alive any more: {}", report.what);
            self.log.say(&self.state.message.clone());
            let by = crate::wall::now().plus(self.file.spec.grace);
            self.end(Why::Liveness, Stop { by });
        }
    }

    fn asked(&mut self, request: &Request) -> Reply {
        if let Some(given) = request.epoch {
            if given < self.state.epoch {
                let seen = self.state.epoch;
                let words = format!("epoch {given} is behind {seen}");
                return Reply::trouble(request.id, "fenced", Some(seen), &words);
            }
            self.state.epoch = given;
        }
        match request.verb {
            Verb::Stop { grace } => {
                let by = crate::wall::now().plus(grace);
                let by = self.state.stop.map_or(by, |stop| stop.by.min(by));
                self.state.stop = Some(Stop { by });
                // Kept before it is done and before it is answered: a crash must not bring it back.
                self.save(true);
                match self.stage {
                    Stage::Waiting(_) => self.rest("stopped"),
                    Stage::Up(_) => self.end(Why::Stop, Stop { by }),
                    Stage::Ending { why, kill_at } => {
                        let kill_at = kill_at.min(Instant::now() + grace.std());
                        self.stage = Stage::Ending { why, kill_at };
                    }
                    Stage::Done => {}
                }
            }
            Verb::Quit => {
                self.save(true);
                self.stage = Stage::Done;
            }
            Verb::Hello | Verb::Status | Verb::Watch => {}
        }
        Reply::state(request.id, &self.state)
    }

    /// SIGTERM now, SIGKILL then.
    fn end(&mut self, why: Why, stop: Stop) {
        let grace = stop.by.since(crate::wall::now()).std();
        self.stage = Stage::Ending { why, kill_at: Instant::now() + grace };
        self.quiet();
        self.state.phase = Phase::Stopping;
        self.save(false);
        self.log.say(match why {
            Why::Stop => "stopping: SIGTERM",
            Why::TimeLimit => "over its time limit: SIGTERM",
            Why::Liveness | Why::Itself => "SIGTERM",
        });
        self.signal_group(Signal::TERM);
    }

    /// The process has ended: what it left behind ends too.
    fn end_rest(&mut self) {
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
    fn quiet(&mut self) {
        if let Some(probes) = self.probes.take() {
            probes.abort();
        }
        self.state.ready = false;
        self.state.ready_since = None;
    }

    fn signal_group(&self, signal: Signal) {
        let Some(process) = self.state.process.filter(proc::lives) else { return };
        if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn members(&self) -> Vec<proc::Stat> {
        let fifos = [self.folder.out(), self.folder.err()];
        proc::members(&proc::Marks {
            process: self.state.process,
            shim: Some(std::process::id()),
            fifos: Some([&fifos[0], &fifos[1]]),
        })
    }

    fn reap(&mut self) {
        let own = self.state.process.map(|process| process.pid).filter(|_| !self.adopted);
        let mut how = None;
        self.reaper.reap(|pid, exit| {
            if own == Some(pid) {
                how = Some(exit);
            }
        });
        match (own, how) {
            (Some(pid), Some(exit)) => self.gone(pid, exit),
            _ if self.ended.is_some() => self.look(),
            _ => {}
        }
    }

    /// The process ended.
    fn gone(&mut self, pid: u32, exit: Exit) {
        if self.ended.is_none() && self.state.process.is_some_and(|process| process.pid == pid) {
            self.ended = Some(exit);
            self.end_rest();
        }
    }

    fn wake(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting(at) => Some(at),
            Stage::Up(at) => at,
            Stage::Ending { .. } if self.ended.is_some() => Some(Instant::now() + LOOK),
            Stage::Ending { kill_at, .. } => Some(kill_at.max(Instant::now() + LOOK)),
            Stage::Done => None,
        }
    }

    fn tick(&mut self) {
        match self.stage {
            Stage::Waiting(at) if at <= Instant::now() => self.launch(),
            Stage::Up(Some(at)) if at <= Instant::now() => {
                let by = crate::wall::now().plus(self.file.spec.grace);
                self.end(Why::TimeLimit, Stop { by });
            }
            Stage::Ending { .. } => self.look(),
            _ => {}
        }
    }

    /// Kills when it is time, and goes on when nobody is left.
    fn look(&mut self) {
        let Stage::Ending { why, kill_at } = self.stage else { return };
        let is_late = kill_at <= Instant::now();
        if self.ended.is_none() && !is_late {
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

    /// Nobody is left of this attempt.
    fn conclude(&mut self, why: Why) {
        self.out.drain(&mut self.log);
        self.err.drain(&mut self.log);
        let exit = match (self.ended.take(), why, &self.not_run) {
            (_, _, Some(_)) => Exit::NotStarted,
            (_, Why::TimeLimit, None) => Exit::Timeout,
            (exit, _, None) => exit.unwrap_or(Exit::Unknown),
        };
        let now = crate::wall::now();
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
        self.log.say(&words);
        let words = match (why, std::mem::take(&mut self.state.message)) {
            (Why::Liveness, reason) => reason,
            _ => words,
        };
        match self.file.spec.restart {
            _ if self.state.stop.is_some() => self.rest(&words),
            Restart::Never => self.rest(&words),
            Restart::Always(backoff) => {
                if ran.is_some_and(|ran| ran >= backoff.reset_after) {
                    self.state.streak = 0;
                }
                let factor = 1i64 << self.state.streak.min(30);
                let wait = backoff.first.micros().saturating_mul(factor);
                let wait = tow_names::Duration::from_micros(wait.min(backoff.most.micros()));
                let is_loop = self.state.streak >= backoff.crash_loop_after;
                self.state.phase = if is_loop { Phase::CrashLoop } else { Phase::Backoff };
                self.state.next = Some(now.plus(wait));
                self.state.message = format!("{words}; started again in {wait}");
                self.stage = Stage::Waiting(Instant::now() + wait.std());
                self.save(true);
            }
        }
    }

    /// For good.
    fn rest(&mut self, words: &str) {
        self.state.phase = Phase::Exited;
        self.state.process = None;
        self.state.next = None;
        self.state.message = words.into();
        self.stage = Stage::Done;
        self.quiet();
        self.save(true);
    }

    /// Keeps the state and tells it. A full disk does not end the program: the next change is tried again.
    fn save(&mut self, durable: bool) {
        if !durable {
            self.pushed.send_replace(self.state.clone());
        }
        let kept = state::write(&self.folder, &self.state, durable);
        if durable {
            self.pushed.send_replace(self.state.clone());
        }
        if let Err(err) = kept {
            self.log.say(&format!("the shim could not write state.json: {err}"));
        }
    }
}

/// Nobody is told of the end of a process that is not its child; its descriptor knows.
async fn wait_for_adopted(process: Process, events: mpsc::Sender<Event>) {
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
    let _ = events.send(Event::Gone { pid: process.pid }).await;
}
