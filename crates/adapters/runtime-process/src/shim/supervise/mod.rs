//! The shim's one loop, and what it holds: starts, ends, restarts, probes' verdicts, orders. Every change that another
//! shim must know of is on the disk before the world sees its effect. What is done on each is in the files beside.

mod begin;
mod conclude;
mod end;
mod health;
mod network;
mod renew;

use super::control::Commands;
use super::notify::Notify;
use super::probe::Which;
use super::reaper::Reaper;
use super::recover::recover;
use super::sockets::Sockets;
use super::{Order, control};
use crate::bounds::{Look, Watch};
use crate::folder::Folder;
use crate::log::{Tap, Writer};
use crate::proto::{Reply, Request, Verb};
use crate::spec::SpecFile;
use crate::state::{self, Kept, Process, State, Stop};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tow_record::{Exit, Isolation, LogStream, ProbeReport, Program};

/// How often what is being ended is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What comes to the loop.
pub(super) enum Event {
    /// The child became the program, or what kept it from that.
    Became { attempt: u32, failure: Option<String> },
    /// An adopted program ended.
    Gone { pid: u32 },
    /// What kept the one that is to take its place from running; none: it runs.
    Came { pid: u32, failure: Option<String> },
    /// What leads out of the program's own network ended.
    Detached { pid: u32 },
    /// A probe's verdict.
    Probed { attempt: u32, which: Which, report: ProbeReport },
    /// What is run before SIGTERM ended, or took all of the grace.
    Prepared { attempt: u32, ok: bool, what: String },
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
    /// It used more than it may.
    Bounds,
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
    sockets: Sockets,
    /// Where a program that is handed sockets says things.
    notify: Option<Notify>,
    /// What sockets are kept is written down then.
    note_at: Option<Instant>,
    /// What is to take the process's place, and until when it may get ready.
    coming: Option<(Process, Instant)>,
    /// What was run until then, for where it does not come to anything.
    before: Option<Arc<SpecFile>>,
    /// Whose place was taken, and when each is killed.
    leaving: Vec<(Process, Instant)>,
    /// One that was to take its place failed: none is tried before then, and why.
    spoilt: Option<(Instant, String)>,
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
    /// The attempt was ready once.
    was_ready: bool,
    /// A role was told that the grace is over, and ends what it stands for.
    urged: bool,
    held: u32,
    failed: u32,
    liveness_failed: u32,
    liveness_counts: bool,
    told: Instant,
    /// What it uses, where that is bounded.
    watch: Option<Watch>,
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
    plain_signals();
    // Before any child: an end that is not noticed would never be told again.
    let mut children = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())
        .map_err(|err| at("signals", err))?;
    let (mut state, found) = recover(&order, file.epoch, boot, kept);
    state.isolation = if file.confined.is_some() { Isolation::Sandbox } else { state.isolation };
    // Before the sockets are taken back: what the program gives from here on is heard.
    let notify = match file.spec.listen.is_empty() {
        true => None,
        false => Some(Notify::open(&folder).map_err(|err| at("notify.sock", err))?),
    };
    let sockets = Sockets::of(&folder, &file.spec, &state.listening, state.process.as_ref())?;
    if !sockets.addresses().is_empty() {
        state.listening = sockets.addresses();
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
    let file = Arc::new(file);
    let reaper = Reaper::default();
    let commands = Commands { folder: folder.clone(), file: file.clone(), reaper: reaper.clone() };
    let control = tokio::spawn(control::serve(socket, states, events.clone(), commands.into()));
    let mut this = Supervisor {
        folder,
        file,
        state,
        pushed,
        log,
        out,
        err,
        sockets,
        notify,
        note_at: None,
        coming: None,
        before: None,
        leaving: Vec::new(),
        spoilt: None,
        reaper,
        events,
        stage: Stage::Waiting(Instant::now()),
        probes: None,
        adopted: false,
        ended: None,
        not_run: None,
        becoming: false,
        urged: false,
        was_ready: false,
        held: 0,
        failed: 0,
        liveness_failed: 0,
        liveness_counts: false,
        told: Instant::now(),
        watch: None,
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
            () = heard(this.notify.as_ref()) => this.notified(),
            // What the program writes comes after the word that it was started.
            () = this.err.readable(), if this.is_heard() => this.err.pump(&mut this.log),
            () = this.out.readable(), if this.is_heard() => this.out.pump(&mut this.log),
        }
    }
    // Everybody who watches gets the last state; nobody keeps the shim from ending.
    drop(this);
    let _ = tokio::time::timeout(Duration::from_millis(500), control).await;
    Ok(())
}

async fn heard(notify: Option<&Notify>) {
    match notify {
        Some(notify) => notify.readable().await,
        None => std::future::pending().await,
    }
}

/// What whoever started the platform ignores, as a shell's background jobs and `nohup` do, would be ignored by every
/// program: it would be deaf to Ctrl-C. A signal that is handled here is as at first in whatever is started from here
/// (execve(2)).
fn plain_signals() {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::alarm(),
    ] {
        // One that can't be handled stays as it is.
        let _ = signal(kind);
    }
}

impl Supervisor {
    fn is_role(&self) -> bool {
        matches!(self.file.spec.program, Program::Role { .. })
    }

    /// A role may take long until its program runs, and tells why meanwhile.
    fn is_heard(&self) -> bool {
        !self.becoming || self.is_role()
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Became { attempt, failure } if attempt == self.state.attempt => {
                self.became(failure);
            }
            Event::Gone { pid } if self.is_leaving(pid) => self.left(pid),
            Event::Gone { pid } if self.adopted => self.gone(pid, Exit::Unknown),
            Event::Came { pid, failure } => self.came(pid, failure),
            Event::Detached { pid } => self.detached(pid),
            Event::Probed { attempt, which, report }
                if attempt == self.state.attempt && matches!(self.stage, Stage::Up(_)) =>
            {
                match which {
                    Which::Readiness => self.readiness(report),
                    Which::Liveness => self.liveness(&report),
                }
            }
            Event::Prepared { attempt, ok, what } if attempt == self.state.attempt => {
                self.prepared(ok, &what);
            }
            Event::Asked { request, answer } => {
                let _ = answer.send(self.asked(&request));
            }
            // Of an attempt that is over.
            Event::Became { .. }
            | Event::Gone { .. }
            | Event::Prepared { .. }
            | Event::Probed { .. } => {}
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
                    Stage::Waiting(_) => self.stop_beside(Stop { by }),
                    Stage::Up(_) => self.end(Why::Stop, Stop { by }),
                    Stage::Ending { why, kill_at } => {
                        let kill_at = kill_at.min(Instant::now() + grace.std());
                        self.stage = Stage::Ending { why, kill_at };
                    }
                    Stage::Done => {}
                }
            }
            Verb::Renew => {
                if let Err(why) = self.renew() {
                    return Reply::trouble(request.id, "not-run", None, &why);
                }
            }
            Verb::Quit => {
                self.save(true);
                self.stage = Stage::Done;
            }
            Verb::Exec(_) if !matches!(self.stage, Stage::Up(_)) || self.becoming => {
                return Reply::trouble(request.id, "not-running", None, "its program does not run");
            }
            Verb::Hello | Verb::Status | Verb::Watch | Verb::Exec(_) => {}
        }
        Reply::state(request.id, &self.state)
    }

    fn wake(&self) -> Option<Instant> {
        let beside = self.coming.iter().chain(&self.leaving).map(|(_, until)| *until);
        beside.chain(self.note_at).chain(self.stage_wake()).min()
    }

    fn stage_wake(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting(at) => Some(at),
            Stage::Up(at) => {
                let watch = self.watch.as_ref().map(|watch| watch.next);
                at.into_iter().chain(watch).min()
            }
            Stage::Ending { .. } if self.ended.is_some() => Some(Instant::now() + LOOK),
            Stage::Ending { kill_at, .. } => Some(kill_at.max(Instant::now() + LOOK)),
            Stage::Done => None,
        }
    }

    fn tick(&mut self) {
        self.beside_is_due();
        match self.stage {
            Stage::Waiting(at) if at <= Instant::now() => self.launch(),
            Stage::Up(Some(at)) if at <= Instant::now() => {
                let by = crate::wall::now().plus(self.file.spec.grace);
                self.end(Why::TimeLimit, Stop { by });
            }
            Stage::Ending { .. } => self.look(),
            Stage::Up(_) => self.use_is_bounded(),
            _ => {}
        }
    }

    /// Ends what uses more than it may, with the reason.
    fn use_is_bounded(&mut self) {
        let Some(mut watch) = self.watch.take() else { return };
        let found = watch.look(&self.folder, || self.members());
        self.watch = Some(watch);
        match found {
            Look::Fine => {}
            Look::Word(word) => {
                self.log.say(&word);
                self.state.message = word;
                self.save(false);
            }
            Look::Over(why) => {
                self.log.say(&why);
                self.state.message = why;
                self.end(Why::Bounds, Stop { by: crate::wall::now() });
            }
        }
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
