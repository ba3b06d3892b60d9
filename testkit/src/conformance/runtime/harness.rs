//! An adapter as the suite drives it, and the words that cases are written in.

use futures::StreamExt as _;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_names::{Digest, Duration, Id};
use tow_ports::{LogQuery, Runtime};
use tow_record::{
    Backoff, Executes, InstanceSpec, LogLine, LogStream, ObservedInstance, Phase, Probe, Restart,
    Setting,
};

pub use tow_record::Program;

/// One thing that a program does; after the last one it runs until SIGTERM, and ends with code 0. A command beside a
/// program ends after the last one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A line to standard output.
    Say(String),
    /// A line to standard error.
    Complain(String),
    /// A line of so many letters `x`.
    Long(u64),
    /// These bytes and a line end.
    Bytes(Vec<u8>),
    /// So many milliseconds pass.
    Wait(u64),
    /// From here on GET / on this port is answered with this text, by a child.
    Serve(u16, String),
    /// The same, by a child that heeds no SIGTERM and is in no group.
    StubbornServe(u16, String),
    /// GET / is not found from here on.
    Sicken,
    /// It is found again.
    Recover,
    /// Says `PATH: content`, or `PATH: refused`.
    Show(String),
    /// Says `PATH: 640`, or `PATH: refused`.
    Mode(String),
    /// Writes a file, and says `PATH: written`, or `PATH: refused`.
    Write(String, String),
    /// Ends with code 1 where there is no such file.
    Require(String),
    /// Says `NAME: value`, or `NAME: not set`.
    Variable(String),
    /// Heeds no SIGTERM from here on.
    IgnoreTerm,
    /// Does with SIGTERM what is done by default.
    DefaultTerm,
    /// At SIGTERM: so many milliseconds later it says this and ends with code 0.
    Bye(u64, String),
    /// Takes so many MiB of memory, and says `ate`.
    Eat(u64),
    /// Starts so many processes, and says `forked`.
    Fork(u64),
    /// Writes so many MiB into a file, and says `filled`, or `filling: refused`.
    Fill(String, u64),
    /// Ends with this code.
    Exit(i32),
    /// Ends by this signal.
    Die(i32),
    /// Asks the port from inside, and says `got TEXT`, or `got nothing`.
    Get(u16),
    /// Standard input to standard output, until there is no more of it.
    Echo,
    /// Says its size as `ROWS COLUMNS`, or `no terminal`.
    Terminal,
    /// Says its size whenever it is another one, until it is ended.
    Sizes,
    /// Goes on until it is ended.
    Stay,
}

/// A line that is said.
pub(super) fn say(text: &str) -> Act {
    Act::Say(text.into())
}

/// Makes a program of what it does.
pub type MakeProgram = dyn Fn(&[Act]) -> Program + Send + Sync;
/// Makes a command of what it does.
pub type MakeCommand = dyn Fn(&[Act]) -> Vec<String> + Send + Sync;
/// Does something to the world, by the instance it is done to.
pub type Break = dyn Fn(&ObservedInstance) -> BoxFuture<'static, ()> + Send + Sync;

/// An adapter as the suite drives it.
pub struct Harness {
    /// The adapter.
    pub runtime: Arc<dyn Runtime>,
    /// The `Runtime` object that deployments would name.
    pub executes: Executes,
    /// Makes a program that does this.
    pub program: Box<MakeProgram>,
    /// Makes a command, for probes and beside programs.
    pub command: Box<MakeCommand>,
    /// An archive that holds the file `note` with the text `from the artifact`.
    pub artifact: Digest,
    /// Where a program may write for itself: empty for its working folder, or a folder with its `/`.
    pub scratch: &'static str,
    /// Lets so much time pass: really, or on a simulated clock.
    pub advance: Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
    /// What GET / on a port of this machine is answered with.
    pub reach: Box<dyn Fn(u16) -> BoxFuture<'static, Option<String>> + Send + Sync>,
    /// The adapter opened again over the same world, as after a crash of the control plane.
    pub reopen: Box<dyn Fn() -> Arc<dyn Runtime> + Send + Sync>,
    /// Ends the program at once, by nobody's order.
    pub kill: Box<Break>,
    /// Ends whatever watches the program, if anything does, and not the program.
    pub kill_shim: Box<Break>,
}

/// How often a condition is looked at, and how many times at most: 60 s of the adapter's time.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 3000;

/// Whom effects are done for.
pub const EPOCH: i64 = 5;

/// Text for a port or a program that nobody else has.
pub(super) fn path(scratch: &str, name: &str) -> String {
    format!("{scratch}{name}")
}

impl Harness {
    /// An instance that does this, with one port.
    pub(super) fn spec(&self, name: &str, acts: &[Act], port: u16) -> InstanceSpec {
        InstanceSpec {
            id: Id::fresh(name),
            program: (self.program)(acts),
            artifact: None,
            env: BTreeMap::from([("PORT".into(), port.to_string())]),
            files: BTreeMap::new(),
            ports: vec![port],
            listen: Vec::new(),
            readiness: Probe::Alive,
            liveness: None,
            interval: Duration::from_millis(50),
            timeout: Duration::from_secs(2),
            successes: 1,
            restart: Restart::Always(Backoff {
                first: Duration::from_millis(10),
                most: Duration::from_millis(50),
                reset_after: Duration::from_secs(60),
                crash_loop_after: 3,
            }),
            grace: Duration::from_secs(5),
            before_stop: None,
            time_limit: None,
            setting: Setting {
                isolation: self.executes.isolation(),
                runtime: self.executes.clone(),
                pod: format!("default/{name}@development/{name}/0/r"),
                ..Setting::default()
            },
            title: format!("{name}/0 main"),
        }
    }

    /// The same, on a port that is free.
    pub(super) async fn made(&self, name: &str, acts: &[Act]) -> InstanceSpec {
        self.spec(name, acts, self.port().await)
    }

    /// One that ends and is not started again.
    pub(super) async fn job(&self, name: &str, acts: &[Act]) -> InstanceSpec {
        InstanceSpec { restart: Restart::Never, ..self.made(name, acts).await }
    }

    pub(super) async fn start(&self, spec: &InstanceSpec) {
        self.runtime.start(EPOCH, spec).await.expect("start");
    }

    /// Started, and there is a process.
    pub(super) async fn running(&self, spec: &InstanceSpec) -> ObservedInstance {
        self.start(spec).await;
        self.until(&spec.id, "running", |one| one.phase == Phase::Running).await
    }

    pub(super) async fn look(&self, id: &Id) -> Option<ObservedInstance> {
        let all = self.runtime.observe().await.expect("observe");
        assert!(all.iter().filter(|one| one.id == *id).count() <= 1, "{id} is observed twice");
        all.into_iter().find(|one| one.id == *id)
    }

    pub(super) async fn pass(&self, millis: i64) {
        (self.advance)(Duration::from_millis(millis)).await;
    }

    /// Waits until an instance is as wanted.
    pub(super) async fn until(
        &self,
        id: &Id,
        what: &str,
        holds: impl Fn(&ObservedInstance) -> bool,
    ) -> ObservedInstance {
        let mut last = None;
        for _ in 0..LOOKS {
            last = self.look(id).await;
            if let Some(one) = last.as_ref().filter(|one| holds(one)) {
                return one.clone();
            }
            (self.advance)(LOOK).await;
        }
        let log = self.log(id).await;
        let log: Vec<_> = log.iter().rev().take(20).rev().map(|line| &line.text).collect();
        panic!("{id} never was {what}; last: {last:#?}; its log: {log:#?}");
    }

    pub(super) async fn ended(&self, id: &Id) -> ObservedInstance {
        self.until(id, "ended", |one| one.phase == Phase::Exited).await
    }

    pub(super) async fn ready(&self, id: &Id) -> ObservedInstance {
        self.until(id, "ready", |one| one.ready).await
    }

    pub(super) async fn port(&self) -> u16 {
        self.runtime.free_ports(1, &[]).await.expect("a free port")[0]
    }

    /// Until a port of this machine answers so; none: not at all.
    pub(super) async fn reached(&self, port: u16, text: Option<&str>) {
        let mut last = None;
        for _ in 0..LOOKS {
            last = (self.reach)(port).await;
            if last.as_deref() == text {
                return;
            }
            (self.advance)(LOOK).await;
        }
        panic!("port {port} never answered {text:?}; last: {last:?}");
    }

    /// The log as it is.
    pub(super) async fn log(&self, id: &Id) -> Vec<LogLine> {
        match self.runtime.logs(id, LogQuery::default()).await {
            Ok(lines) => {
                let lines: Vec<_> = lines.collect().await;
                assert!(lines.is_sorted_by_key(|line| line.at), "{lines:#?}");
                lines
            }
            Err(_) => Vec::new(),
        }
    }

    /// What the program itself has written so far.
    pub(super) async fn own(&self, id: &Id) -> Vec<String> {
        let all = self.log(id).await.into_iter();
        let own = all.filter(|line| line.stream != LogStream::Platform);
        own.map(|line| line.text).collect()
    }

    /// The program's own lines once there are so many.
    pub(super) async fn lines(&self, id: &Id, count: usize) -> Vec<String> {
        let mut last = Vec::new();
        for _ in 0..LOOKS {
            self.look(id).await;
            last = self.own(id).await;
            if last.len() >= count {
                return last;
            }
            (self.advance)(LOOK).await;
        }
        panic!("{id} has {} lines, not {count}: {last:?}; {:#?}", last.len(), self.look(id).await);
    }

    /// Until the program has written this line.
    pub(super) async fn said(&self, id: &Id, line: &str) {
        let mut last = Vec::new();
        for _ in 0..LOOKS {
            // As a platform does all the time: whoever looks sees to it that it is watched.
            self.look(id).await;
            last = self.log(id).await;
            let own = last.iter().filter(|line| line.stream != LogStream::Platform);
            if own.into_iter().any(|one| one.text == line) {
                return;
            }
            (self.advance)(LOOK).await;
        }
        let log: Vec<_> = last.iter().map(|line| &line.text).collect();
        panic!("{id} never said {line:?}, but {log:#?}; {:#?}", self.look(id).await);
    }

    pub(super) async fn stop(&self, id: &Id, grace_millis: i64) {
        let grace = Duration::from_millis(grace_millis);
        self.runtime.stop(EPOCH, id, grace).await.expect("stop");
    }

    /// Stopped, ended and removed.
    pub(super) async fn finish(&self, id: &Id) {
        self.stop(id, 200).await;
        self.until(id, "ended", |one| !one.may_run()).await;
        self.remove(id).await;
    }

    pub(super) async fn remove(&self, id: &Id) {
        self.runtime.remove(EPOCH, id).await.expect("remove");
        assert_eq!(self.look(id).await, None, "removed and still observed");
    }

    /// The same world through an adapter that was just opened.
    pub(super) fn reopened(&self, id: &Id) -> Reopened {
        Reopened { runtime: (self.reopen)(), id: id.clone() }
    }
}

/// An instance, through an adapter that was opened after it was started.
pub(super) struct Reopened {
    pub(super) runtime: Arc<dyn Runtime>,
    id: Id,
}

impl Reopened {
    /// Waits until it is as wanted.
    pub(super) async fn until(
        &self,
        h: &Harness,
        what: &str,
        holds: impl Fn(&ObservedInstance) -> bool,
    ) -> ObservedInstance {
        let mut last = None;
        for _ in 0..LOOKS {
            let all = self.runtime.observe().await.expect("observe");
            last = all.into_iter().find(|one| one.id == self.id);
            if let Some(one) = last.as_ref().filter(|one| holds(one)) {
                return one.clone();
            }
            (h.advance)(LOOK).await;
        }
        panic!("{} never was {what} after reopening; last: {last:#?}", self.id);
    }
}
