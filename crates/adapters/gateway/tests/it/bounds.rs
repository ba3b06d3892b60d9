//! How long and how many: connections without a request, answers that nobody takes, uploads that outlast their answer,
//! and listeners that take no room from connections.

use crate::https::{H2, LISTEN, ask, authority, connect, none, set, text};
use crate::support::{Gate, Instance, SOON, get, logged, route, until};
use http::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tow_ports::Edge;
use tow_record::ServedCertificate;

/// A gateway with HTTPS, and one route.
struct World {
    dir: TempDir,
    gate: Gate,
    one: Instance,
    own: ServedCertificate,
}

impl World {
    async fn with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::start_with(dir.path(), &[&LISTEN, args].concat());
        let (one, own) = (Instance::start("one").await, authority("Own"));
        gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
        gate.edge.certify(&set("1", &own, &[])).await.unwrap();
        Self { dir, gate, one, own }
    }

    /// A connection of HTTP/2 with this window for each answer, and its end.
    async fn h2(&self, window: u32) -> (H2, JoinHandle<()>) {
        let at = self.gate.https.unwrap();
        let stream = connect(at, "web.localhost", &self.own, &["h2"]).await.unwrap();
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        (sender, tokio::spawn(async move { drop(connection.await) }))
    }
}

fn get2(path: &str) -> Request<crate::support::Body> {
    Request::get(format!("https://web.localhost{path}")).body(none()).unwrap()
}

async fn ends<T>(what: &str, ending: JoinHandle<T>) -> T {
    tokio::time::timeout(SOON, ending).await.unwrap_or_else(|_| panic!("never: {what}")).unwrap()
}

/// Reads one answer without its end being told by the connection's.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\none") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_request_is_kept_for_so_long_and_no_longer() {
    let world = World::with(&["--kept", "1"]).await;
    let one = &world.one;
    // By HTTP/1.1: before a first request, and after one.
    let mut silent = TcpStream::connect(world.gate.main).await.unwrap();
    let silent = tokio::spawn(async move { silent.read(&mut [0; 1]).await.unwrap_or(0) });
    let mut after = TcpStream::connect(world.gate.main).await.unwrap();
    after.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await.unwrap();
    answer(&mut after).await;
    let after = tokio::spawn(async move { after.read(&mut [0; 1]).await.unwrap_or(0) });
    // By HTTP/2 the same; and one that does not even begin to speak it.
    let (_never, silent2) = world.h2(1 << 16).await;
    let (mut asked, after2) = world.h2(1 << 16).await;
    assert_eq!(text(ask(&mut asked, get2("/")).await).await, "one");
    let at = world.gate.https.unwrap();
    let mut mute = connect(at, "web.localhost", &world.own, &["h2"]).await.unwrap();
    let mute = tokio::spawn(async move {
        let mut told = Vec::new();
        let _ = mute.read_to_end(&mut told).await;
    });
    // Those that are answered just now are none of them.
    let (mut busy, busy2) = world.h2(1 << 16).await;
    let held2 = tokio::spawn(async move { ask(&mut busy, get2("/held")).await.status() });
    let main = world.gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/held", &[]).await.status });
    assert_eq!(ends("the silent one ends", silent).await, 0);
    assert_eq!(ends("the one after a request ends", after).await, 0);
    ends("the silent one of HTTP/2 ends", silent2).await;
    ends("the one of HTTP/2 after a request ends", after2).await;
    ends("the mute one ends", mute).await;
    until("both are in flight", || async { world.gate.in_flight("one").await == 2 }).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!held2.is_finished() && !busy2.is_finished());
    one.gate.add_permits(2);
    assert_eq!(ends("the held one is answered", held).await, 200);
    assert_eq!(ends("the held one of HTTP/2 is answered", held2).await, 200);
    ends("its connection ends, too", busy2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_takes_is_broken_off_and_no_other_of_its_connection() {
    let world = World::with(&["--stuck", "1"]).await;
    let (mut sender, _connection) = world.h2(1).await;
    let stuck = ask(&mut sender, get2("/large")).await;
    assert_eq!((stuck.status().as_u16(), stuck.version()), (200, Version::HTTP_2));
    // One that waits for its instance is not the client's fault, and one that it takes slowly is taken.
    let mut other = sender.clone();
    let events = tokio::spawn(async move { text(ask(&mut other, get2("/events")).await).await });
    until("both are in flight", || async { world.gate.in_flight("one").await == 2 }).await;
    until("one is broken off", || async { world.gate.in_flight("one").await == 1 }).await;
    let line = logged(world.dir.path(), |line| line["path"] == "/large").await;
    assert_eq!(line["why"], "client-gone", "{line}");
    assert!(!events.is_finished());
    world.one.gate.add_permits(3);
    assert_eq!(ends("the events come", events).await.matches("data: ").count(), 3);
    assert_eq!(text(ask(&mut sender, get2("/")).await).await, "one");
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_taken_is_whole_however_many_pieces_it_has() {
    let world = World::with(&["--stuck", "1"]).await;
    let (mut sender, _connection) = world.h2(40_000).await;
    let all = text(ask(&mut sender, get2("/large")).await).await;
    assert_eq!(all.len(), 8 * 1024 * 1024);
    let line = logged(world.dir.path(), |line| line["path"] == "/large").await;
    assert_eq!((&line["bytes_out"], &line["why"]), (&all.len().into(), &serde_json::Value::Null));
}

/// What comes then is the rest of a body, and no head that is late.
#[tokio::test]
async fn an_upload_may_outlast_its_answer() {
    let world = World::with(&[]).await;
    let mut stream = TcpStream::connect(world.gate.main).await.unwrap();
    let head = b"POST /early HTTP/1.1\r\nHost: web.localhost\r\nContent-Length: 13\r\n\r\nx";
    stream.write_all(head).await.unwrap();
    answer(&mut stream).await;
    // Longer than any head may take.
    for _ in 0..12 {
        stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    until("all of it is there", || async { world.one.received.load(SeqCst) == 13 }).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn listeners_of_many_ports_take_no_place_of_a_connection() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &["--connections", "4"]);
    let one = Instance::start("one").await;
    let routes = (0..40).map(|n| route(&format!("r{n}"), &format!("h{n}.localhost"), &[&one]));
    let ack = gate.apply(1, routes.collect()).await;
    for port in ack.ports.values() {
        let at = SocketAddr::from(([127, 0, 0, 1], *port));
        let asked = tokio::time::timeout(SOON, get(at, "127.0.0.1", "/", &[]));
        assert_eq!(asked.await.expect("there is room").body, "one");
    }
    assert_eq!(gate.get("h7.localhost", "/").await.body, "one");
    // Where there is none, whoever was accepted is answered once there is, though its door is closed by then.
    let main = gate.main;
    let held = || tokio::spawn(async move { get(main, "h7.localhost", "/held", &[]).await.status });
    let held: Vec<_> = (0..4).map(|_| held()).collect();
    until("all places are taken", || async { gate.in_flight("one").await == 4 }).await;
    let at = SocketAddr::from(([127, 0, 0, 1], ack.ports["r0"]));
    let waits = tokio::spawn(async move { get(at, "127.0.0.1", "/", &[]).await.status });
    // Accepted, or waiting at the listener until it is.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waits.is_finished());
    gate.apply(2, vec![route("r7", "h7.localhost", &[&one])]).await;
    until("its door is closed", || async { TcpStream::connect(at).await.is_err() }).await;
    assert!(!waits.is_finished());
    one.gate.add_permits(4);
    for held in held {
        assert_eq!(ends("the held one is answered", held).await, 200);
    }
    assert_eq!(ends("the one that waited is answered", waits).await, 404);
}
