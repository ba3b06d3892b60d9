//! The port `Edge`, held on the pretended edge and on the real gateway under a shim of the real binary; and what the
//! gateway's shim is for: its sockets outlive it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stdout, reason = "what was measured is a result")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tow_gateway::{EdgeClient, gateway_spec};
use tow_names::Duration;
use tow_platform::SystemClock;
use tow_platform::fakes::{FakeClock, World};
use tow_ports::{Edge, Runtime};
use tow_record::{Mode, ObservedInstance, Phase, Route, RouteRules, RouteSet, State};
use tow_runtime_process::{Config, ProcessRuntime, stop_everything};
use tow_testkit::conformance::edge::edge;

/// The real binary.
fn tow() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tow"))
}

#[tokio::test]
async fn pretended() {
    let world = World::new(FakeClock::new()).unwrap();
    edge(&world.edge()).await;
}

/// A gateway under a shim.
struct Machine {
    dir: tempfile::TempDir,
    runtime: ProcessRuntime,
    edge: EdgeClient,
}

impl Machine {
    async fn up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let runtime = ProcessRuntime::new(Config {
            dir: dir.path().join("run/i"),
            volumes: dir.path().join("volumes"),
            hidden: dir.path().to_path_buf(),
            tow: tow().into(),
            blobs: Arc::new(World::new(clock.clone()).unwrap().blobs()),
            clock,
            node: "here".into(),
        })
        .unwrap();
        let folder = dir.path().join("run/gateway");
        std::fs::create_dir_all(&folder).unwrap();
        let spec = gateway_spec(&folder, tow(), &["127.0.0.1:0".into()]);
        runtime.start(1, &spec).await.unwrap();
        let machine = Self { dir, runtime, edge: EdgeClient::new(folder) };
        machine.boot("").await;
        machine
    }

    async fn seen(&self) -> ObservedInstance {
        let mut seen = self.runtime.observe().await.unwrap();
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }

    /// The mark of a gateway that answers and is not this one.
    async fn boot(&self, not: &str) -> String {
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let seen = self.edge.observe().await.unwrap();
            if seen.reachable && seen.boot != not {
                return seen.boot;
            }
            assert!(Instant::now() < deadline, "no gateway: {:?}", self.seen().await);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn down(self) {
        let dir = self.dir.path().join("run/i");
        let ran = stop_everything(&dir, tow(), Duration::from_secs(20)).await.unwrap();
        assert_eq!(ran.len(), 1, "the gateway ran to the end, and nothing else did: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_gateway() {
    let machine = Machine::up().await;
    edge(&machine.edge).await;
    machine.down().await;
}

fn stopped(id: &str) -> Route {
    Route {
        id: id.into(),
        hosts: vec!["web.localhost".into()],
        path: "/".into(),
        port: 0,
        component: "default/web".into(),
        environment: "development".into(),
        targets: vec![],
        state: State::Stopped,
        reason: "stopped".into(),
        wakes: false,
        split: None,
        mode: Mode::Serving,
        rules: RouteRules::default(),
    }
}

/// The status line that a new connection gets.
fn status(at: SocketAddr) -> String {
    let mut stream = TcpStream::connect(at).expect("nobody is refused");
    // Broken by a gateway that dies with it: then there is no answer.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.lines().next().unwrap_or_default().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_refuses_nobody() {
    let machine = Machine::up().await;
    let at: SocketAddr = machine.seen().await.listening[0].parse().unwrap();
    let route = stopped("r");
    let ack =
        machine.edge.apply(&RouteSet { epoch: 1, revision: 1, routes: vec![route] }).await.unwrap();
    let mut boot = machine.boot("").await;
    for _ in 0..3 {
        let seen = machine.seen().await;
        assert_eq!(seen.phase, Phase::Running);
        let pid = rustix::process::Pid::from_raw(seen.pid.unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        // It may be dead or its successor already up: whoever comes is answered, by the table it kept.
        let asked = tokio::task::spawn_blocking(move || status(at)).await.unwrap();
        // A connection that the dying gateway had taken already may break; it is never refused.
        assert!(asked.starts_with("HTTP/1.1 503") || asked.is_empty(), "{asked}");
        boot = machine.boot(&boot).await;
        assert_eq!(status(at), "HTTP/1.1 503 Service Unavailable");
        let seen = machine.edge.observe().await.unwrap();
        assert_eq!((seen.revision, seen.ports), (1, ack.ports.clone()));
        assert_eq!(machine.seen().await.listening, [at.to_string()]);
    }
    machine.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_ports_outlive_a_killed_gateway() {
    let machine = Machine::up().await;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let count = limit.unwrap_or(20_000).saturating_sub(2_000).min(5_000);
    let routes: Vec<Route> = (0..count).map(|number| stopped(&format!("r{number}"))).collect();
    let began = Instant::now();
    let ack = machine.edge.apply(&RouteSet { epoch: 1, revision: 1, routes }).await.unwrap();
    let applied = began.elapsed();
    let ports: std::collections::BTreeSet<u16> = ack.ports.values().copied().collect();
    assert_eq!(ports.len() as u64, count, "each has its own");
    let boot = machine.boot("").await;
    let seen = machine.seen().await;
    let main: SocketAddr = seen.listening[0].parse().unwrap();
    let pid = rustix::process::Pid::from_raw(seen.pid.unwrap() as i32).unwrap();
    let killed = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let answered = tokio::task::spawn_blocking(move || {
        // The one that dies may have taken one connection more.
        while status(main).is_empty() {}
        killed.elapsed()
    });
    machine.boot(&boot).await;
    let back = killed.elapsed();
    let answered = answered.await.unwrap();
    assert_eq!(machine.edge.observe().await.unwrap().ports, ack.ports, "all on the same ports");
    let asked = tokio::task::spawn_blocking(move || {
        ports
            .iter()
            .step_by(97)
            .map(|port| status(([127, 0, 0, 1], *port).into()))
            .collect::<Vec<_>>()
    });
    for line in asked.await.unwrap() {
        assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    }
    println!(
        "measured: {count} ports applied in {applied:?}; after a kill answered again after {answered:?}, and back on all of them after {back:?}"
    );
    machine.down().await;
}
