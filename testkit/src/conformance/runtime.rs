//! What every adapter of the port `Runtime` must do. Knows the port and nothing of any adapter: how a program that
//! behaves in a certain way is made is the harness's business.

use futures::StreamExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_names::{Duration, Id};
use tow_ports::{LogQuery, PortError, Runtime};
use tow_record::{
    Backoff, Exit, HttpProbe, InstanceSpec, LogStream, ObservedInstance, Phase, Probe, Program,
    Restart,
};

/// How a program behaves. Each harness makes one that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs until SIGTERM, and ends by it.
    Runs,
    /// Runs, ignores SIGTERM.
    IgnoresTerm,
    /// Writes these lines to standard output, then runs.
    Says(Vec<String>),
    /// Ends at once with this code.
    Exits(i32),
    /// Runs and answers 200 to `GET /` on its port.
    Serves,
    /// Runs and never listens.
    ListensNever,
}

/// Makes a program and its environment.
pub type MakeProgram = dyn Fn(&Behaviour, u16) -> (Program, BTreeMap<String, String>) + Send + Sync;

/// An adapter as the suite drives it.
pub struct Harness {
    /// The adapter.
    pub runtime: Arc<dyn Runtime>,
    /// Makes the program, and whatever of the environment tells it how to behave; `port` is its own.
    pub program: Box<MakeProgram>,
    /// Lets so much time pass: really, or on a simulated clock.
    pub advance: Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
}

/// How often a condition is looked at, and how many times at most: 30 s of the adapter's time.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1500;

impl Harness {
    fn spec(&self, id: &str, behaviour: &Behaviour, port: u16) -> InstanceSpec {
        let (program, env) = (self.program)(behaviour, port);
        InstanceSpec {
            id: Id::fresh(id),
            program,
            artifact: None,
            env,
            files: BTreeMap::new(),
            ports: vec![port],
            listen: Vec::new(),
            readiness: Probe::Alive,
            liveness: None,
            interval: Duration::from_millis(50),
            timeout: Duration::from_secs(1),
            successes: 1,
            restart: Restart::Always(Backoff {
                first: Duration::from_millis(10),
                most: Duration::from_millis(50),
                reset_after: Duration::from_secs(60),
                crash_loop_after: 3,
            }),
            grace: Duration::from_secs(5),
            time_limit: None,
            setting: tow_record::Setting::default(),
            title: format!("{id}/0 main"),
        }
    }

    async fn look(&self, id: &Id) -> Option<ObservedInstance> {
        let all = self.runtime.observe().await.expect("observe");
        assert!(all.iter().filter(|one| one.id == *id).count() <= 1, "{id} is observed twice");
        all.into_iter().find(|one| one.id == *id)
    }

    /// Waits until an instance is as wanted.
    async fn until(
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
        panic!("{id} never was {what}; last: {last:#?}");
    }

    async fn port(&self) -> u16 {
        self.runtime.free_ports(1, &[]).await.expect("a free port")[0]
    }

    /// The log once it has so many lines of the program itself.
    async fn lines(&self, id: &Id, query: &LogQuery, count: usize) -> Vec<String> {
        let mut last = Vec::new();
        for _ in 0..LOOKS {
            let lines = self.runtime.logs(id, query.clone()).await.expect("a log");
            let lines: Vec<_> = lines.collect().await;
            assert!(lines.is_sorted_by_key(|line| line.at), "{lines:#?}");
            last = lines
                .into_iter()
                .filter(|line| line.stream != LogStream::Platform)
                .map(|line| line.text)
                .collect();
            if last.len() >= count {
                return last;
            }
            (self.advance)(LOOK).await;
        }
        panic!("{id} has {} lines, not {count}: {last:?}", last.len());
    }

    async fn finish(&self, id: &Id) {
        self.runtime.stop(EPOCH, id, Duration::from_millis(200)).await.expect("stop");
        self.until(id, "ended", |one| !one.may_run()).await;
        self.remove(id).await;
    }

    async fn remove(&self, id: &Id) {
        self.runtime.remove(EPOCH, id).await.expect("remove");
        assert_eq!(self.look(id).await, None, "removed and still observed");
    }
}

const EPOCH: i64 = 5;

/// Runs every case on a fresh adapter.
pub async fn runtime<F, M>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Harness>,
{
    started_once(&make().await).await;
    starts_ended_ones_never_again(&make().await).await;
    refuses_lower_epochs(&make().await).await;
    stops_and_removes_again_and_again(&make().await).await;
    removes_nothing_that_runs(&make().await).await;
    becomes_ready(&make().await).await;
    stays_unready(&make().await).await;
    exits_and_stays(&make().await).await;
    loops(&make().await).await;
    never_starts_again_after_stop(&make().await).await;
    kills_after_grace(&make().await).await;
    keeps_the_log(&make().await).await;
    gives_ports(&make().await).await;
    hints_at_changes(&make().await).await;
}

async fn started_once(h: &Harness) {
    let spec = h.spec("once", &Behaviour::Runs, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let first = h.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
    h.runtime.start(EPOCH, &spec).await.expect("start again");
    (h.advance)(Duration::from_millis(100)).await;
    let second = h.look(&spec.id).await.expect("it is there");
    assert_eq!((first.pid, second.restarts), (second.pid, 0), "one start per id");
    assert_eq!(second.isolation, tow_record::Isolation::None);
    h.finish(&spec.id).await;
}

async fn starts_ended_ones_never_again(h: &Harness) {
    let mut spec = h.spec("ended", &Behaviour::Exits(0), h.port().await);
    spec.restart = Restart::Never;
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let ended = h.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 0 }));
    h.runtime.start(EPOCH, &spec).await.expect("start of an ended one");
    (h.advance)(Duration::from_millis(200)).await;
    let still = h.look(&spec.id).await.expect("it is there until removed");
    assert_eq!((still.phase, still.restarts), (Phase::Exited, 0));
    h.remove(&spec.id).await;
}

async fn refuses_lower_epochs(h: &Harness) {
    let spec = h.spec("fenced", &Behaviour::Runs, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let other = h.spec("late", &Behaviour::Runs, h.port().await);
    let fenced = PortError::Fenced { given: EPOCH - 1, seen: EPOCH };
    let grace = Duration::ZERO;
    assert_eq!(h.runtime.start(EPOCH - 1, &other).await, Err(fenced.clone()));
    assert_eq!(h.runtime.stop(EPOCH - 1, &spec.id, grace).await, Err(fenced.clone()));
    assert_eq!(h.runtime.remove(EPOCH - 1, &spec.id).await, Err(fenced));
    assert_eq!(h.look(&other.id).await, None, "a refused start leaves nothing");
    h.until(&spec.id, "untouched", |one| one.phase == Phase::Running).await;
    h.finish(&spec.id).await;
}

async fn stops_and_removes_again_and_again(h: &Harness) {
    let nobody = Id::fresh("nobody");
    h.runtime.stop(EPOCH, &nobody, Duration::ZERO).await.expect("stop of nothing");
    h.runtime.remove(EPOCH, &nobody).await.expect("remove of nothing");
    let spec = h.spec("twice", &Behaviour::Runs, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    h.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
    for _ in 0..2 {
        h.runtime.stop(EPOCH, &spec.id, Duration::from_secs(5)).await.expect("stop");
    }
    h.until(&spec.id, "ended", |one| one.phase == Phase::Exited && one.pid.is_none()).await;
    h.runtime.stop(EPOCH, &spec.id, Duration::ZERO).await.expect("stop of an ended one");
    for _ in 0..2 {
        h.remove(&spec.id).await;
    }
}

async fn removes_nothing_that_runs(h: &Harness) {
    let spec = h.spec("kept", &Behaviour::Runs, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    h.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
    let refused = h.runtime.remove(EPOCH, &spec.id).await;
    assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    h.until(&spec.id, "still running", |one| one.phase == Phase::Running).await;
    h.finish(&spec.id).await;
}

async fn becomes_ready(h: &Harness) {
    let port = h.port().await;
    let mut spec = h.spec("ready", &Behaviour::Serves, port);
    spec.readiness =
        Probe::Http(HttpProbe { port, path: "/".into(), host: None, headers: Vec::new() });
    spec.successes = 2;
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let ready = h.until(&spec.id, "ready", |one| one.ready).await;
    assert!(ready.ready_since.is_some());
    assert!(ready.probe.is_some_and(|probe| probe.ok && probe.what.contains("GET /")));
    h.finish(&spec.id).await;
}

async fn stays_unready(h: &Harness) {
    let port = h.port().await;
    let mut spec = h.spec("unready", &Behaviour::ListensNever, port);
    spec.readiness = Probe::Tcp { port };
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let probed = h.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    assert!(!probed.ready && probed.ready_since.is_none());
    assert!(probed.probe.is_some_and(|probe| !probe.ok && !probe.what.is_empty()));
    h.finish(&spec.id).await;
}

async fn exits_and_stays(h: &Harness) {
    let mut spec = h.spec("code", &Behaviour::Exits(3), h.port().await);
    spec.restart = Restart::Never;
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let ended = h.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 3 }));
    assert_eq!((ended.pid, ended.ready), (None, false));
    h.remove(&spec.id).await;
}

async fn loops(h: &Harness) {
    let spec = h.spec("loop", &Behaviour::Exits(1), h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    let looping = h.until(&spec.id, "a crash loop", |one| one.phase == Phase::CrashLoop).await;
    assert_eq!(looping.exit, Some(Exit::Code { code: 1 }));
    assert!(looping.restarts >= 3, "{looping:?}");
    let more = looping.restarts + 1;
    h.until(&spec.id, "still tried", |one| one.restarts >= more).await;
    h.finish(&spec.id).await;
}

async fn never_starts_again_after_stop(h: &Harness) {
    let spec = h.spec("stopped", &Behaviour::Runs, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    h.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
    h.runtime.stop(EPOCH, &spec.id, Duration::from_secs(5)).await.expect("stop");
    h.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    (h.advance)(Duration::from_millis(300)).await;
    let later = h.look(&spec.id).await.expect("it is there until removed");
    assert_eq!((later.phase, later.restarts), (Phase::Exited, 0));
    h.remove(&spec.id).await;
}

async fn kills_after_grace(h: &Harness) {
    let spec = h.spec("stubborn", &Behaviour::IgnoresTerm, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    h.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
    // It must have come as far as ignoring the signal.
    (h.advance)(Duration::from_millis(300)).await;
    h.runtime.stop(EPOCH, &spec.id, Duration::from_millis(300)).await.expect("stop");
    let ended = h.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.exit, Some(Exit::Signal { signal: 9 }));
    h.remove(&spec.id).await;
}

async fn keeps_the_log(h: &Harness) {
    let said: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    let spec = h.spec("log", &Behaviour::Says(said.clone()), h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    assert_eq!(h.lines(&spec.id, &LogQuery::default(), 20).await, said);
    let tail = LogQuery { tail: Some(3), ..LogQuery::default() };
    assert_eq!(h.lines(&spec.id, &tail, 3).await, said[17..]);
    let all: Vec<_> =
        h.runtime.logs(&spec.id, LogQuery::default()).await.expect("a log").collect().await;
    let last = all.last().expect("lines").at;
    let after = LogQuery { after: Some(last), ..LogQuery::default() };
    assert_eq!(h.runtime.logs(&spec.id, after).await.expect("a log").count().await, 0);
    h.finish(&spec.id).await;
    let gone = h.runtime.logs(&spec.id, LogQuery::default()).await.map(|_| ());
    assert!(matches!(gone, Err(PortError::NotThere(_))), "{gone:?}");
}

async fn gives_ports(h: &Harness) {
    let first = h.runtime.free_ports(5, &[]).await.expect("ports");
    let second = h.runtime.free_ports(5, &first).await.expect("ports");
    let mut all: Vec<u16> = first.into_iter().chain(second).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 10, "{all:?}");
    assert!(!all.contains(&0));
}

async fn hints_at_changes(h: &Harness) {
    let spec = h.spec("hint", &Behaviour::Runs, h.port().await);
    h.runtime.start(EPOCH, &spec).await.expect("start");
    // However late it is asked: what happened since the last return is not lost.
    h.runtime.changed().await;
    h.finish(&spec.id).await;
    h.runtime.changed().await;
}
