//! Clients and instances that mean ill, or are in a bad way: each gets a clear end and a line in the log, and whoever
//! goes another route notices nothing.

use crate::support::{Gate, Instance, Raw, SOON, Then, get, logged, raw, route, until};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tow_names::Duration as Length;
use tow_record::{Route, RouteRules, RouteTarget};

/// A gateway with a good route, `good.localhost`, and a bad one, `bad.localhost`.
struct World {
    dir: TempDir,
    gate: Gate,
    _good: Instance,
}

impl World {
    async fn with(bad: Route) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gate = Gate::start(dir.path());
        let good = Instance::start("good").await;
        gate.apply(1, vec![route("good", "good.localhost", &[&good]), bad]).await;
        Self { dir, gate, _good: good }
    }

    async fn good_is_well(&self) {
        let asked = tokio::time::timeout(SOON, self.gate.get("good.localhost", "/"));
        let reply = asked.await.expect("another route answers meanwhile");
        assert_eq!((reply.status, reply.body.as_str()), (200, "good"));
    }

    async fn why(&self, why: &str) -> serde_json::Value {
        logged(self.dir.path(), |line| line["why"] == why).await
    }
}

fn bad(raw: &Raw) -> Route {
    let rules = RouteRules { timeout: Some(Length::from_millis(500)), ..RouteRules::default() };
    let mut bad = route("bad", "bad.localhost", &[]);
    bad.targets.push(raw.target("bad"));
    Route { rules, ..bad }
}

/// Asks by POST, which nobody repeats.
fn post(path: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: bad.localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
}

#[tokio::test]
async fn instances_in_a_bad_way_are_a_clear_status() {
    const ENDLESS_HEAD: &[u8] = &{
        let mut bytes = [b'x'; 400 * 1024];
        let head = b"HTTP/1.1 200 OK\r\nx-long: ";
        let mut at = 0;
        while at < head.len() {
            bytes[at] = head[at];
            at += 1;
        }
        bytes
    };
    for (what, answer, then, status, why) in [
        ("resets", b"".as_slice(), Then::Reset, 502, "gateway/instance-failed"),
        ("closes", b"", Then::Close, 502, "gateway/instance-failed"),
        ("hangs", b"", Then::Stay, 504, "gateway/instance-late"),
        ("hangs in its head", b"HTTP/1.1 200 OK\r\nx-a", Then::Stay, 504, "gateway/instance-late"),
        (
            "closes in its head",
            b"HTTP/1.1 200 OK\r\nx-a",
            Then::Close,
            502,
            "gateway/instance-failed",
        ),
        (
            "answers garbage",
            b"\x16\x03\x01 what\r\n\r\n",
            Then::Close,
            502,
            "gateway/instance-failed",
        ),
        ("answers another protocol", b"SSH-2.0-x\r\n", Then::Stay, 502, "gateway/instance-failed"),
        ("sends too large headers", ENDLESS_HEAD, Then::Stay, 502, "gateway/instance-failed"),
        (
            "says two lengths",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
            Then::Close,
            502,
            "gateway/instance-failed",
        ),
        (
            "changes the protocol unasked",
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            Then::Stay,
            502,
            "gateway/instance-failed",
        ),
    ] {
        let instance = Raw::start(answer, then).await;
        let world = World::with(bad(&instance)).await;
        let sent = post("/");
        let (answer, ()) = tokio::join!(raw(world.gate.main, &sent), world.good_is_well());
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{what}: {answer}");
        let line = world.why(why).await;
        assert_eq!((&line["instance"], &line["route"]), (&"bad".into(), &"bad".into()), "{what}");
        let part = world.gate.seen().await.routes["bad"].parts[&1].clone();
        assert_eq!((part.requests, part.errors), (1, 1), "{what}");
        world.good_is_well().await;
    }
}

/// What looks whole and is not is the worst that a proxy can make of it.
#[tokio::test]
async fn an_answer_that_breaks_off_never_ends_as_if_it_was_whole() {
    for (what, answer) in [
        ("of a length", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".as_slice()),
        ("in chunks", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ("in a chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf"),
        (
            "in bad chunks",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        ),
    ] {
        let instance = Raw::start(answer, Then::Close).await;
        let world = World::with(bad(&instance)).await;
        let answer = raw(world.gate.main, &post("/")).await;
        // What was not sent before it broke off need not be sent after it.
        let begun = answer.is_empty() || answer.starts_with("HTTP/1.1 200 OK");
        assert!(begun, "{what}: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{what}: {answer}");
        let line = world.why("answer-broke").await;
        assert_eq!(line["status"], 200, "{what}");
        let part = world.gate.seen().await.routes["bad"].parts[&1].clone();
        assert_eq!((part.requests, part.errors), (1, 1), "{what}");
        world.good_is_well().await;
    }
}

#[tokio::test]
async fn a_head_that_comes_drop_by_drop_is_not_waited_for() {
    let instance = Raw::start(b"", Then::Stay).await;
    let world = World::with(bad(&instance)).await;
    let mut stream = TcpStream::connect(world.gate.main).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bad.localhost\r\n").await.unwrap();
    let (mut from, mut to) = stream.split();
    let drops = async {
        // Each of them in time, and all of them too late.
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if to.write_all(b"X-A: 1\r\n").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = tokio::time::timeout(SOON, from.read_to_end(&mut answer)) => drop(read.expect("it ends")),
        () = drops => {}
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(began.elapsed() >= Duration::from_secs(9), "after {:?}", began.elapsed());
    let line = world.why("head-late").await;
    assert_eq!(line["status"], 408);
    world.good_is_well().await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_a_408() {
    let mut quick = route("bad", "bad.localhost", &[]);
    let instance = Instance::start("bad").await;
    quick.targets.push(instance.target());
    quick.rules.idle = Some(Length::from_millis(400));
    let world = World::with(quick).await;
    let mut stream = TcpStream::connect(world.gate.main).await.unwrap();
    let head = b"POST /upload HTTP/1.1\r\nHost: bad.localhost\r\nContent-Length: 9\r\n\r\nhalf";
    stream.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer));
    let _ = read.await.expect("it ends");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let line = world.why("gateway/request-late").await;
    assert_eq!(line["bytes_in"], 4);
    let part = world.gate.seen().await.routes["bad"].parts.get(&1).cloned().unwrap_or_default();
    assert_eq!(part.errors, 0, "the client's doing");
    world.good_is_well().await;
}

#[tokio::test]
async fn many_slow_clients_take_nothing_from_others() {
    let instance = Raw::start(b"", Then::Stay).await;
    let world = World::with(bad(&instance)).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(world.gate.main).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: bad").await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        world.good_is_well().await;
    }
    drop(slow);
}

/// As many as the limit of descriptors allows, and not one more: whoever comes then waits until there is room.
#[tokio::test]
async fn more_connections_than_may_be_wait_and_are_served_later() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &["--connections", "16"]);
    let good = Instance::start("good").await;
    gate.apply(1, vec![route("good", "good.localhost", &[&good])]).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(TcpStream::connect(gate.main).await.unwrap());
    }
    let main = gate.main;
    let waits = tokio::spawn(async move { get(main, "good.localhost", "/", &[]).await });
    // The control socket is none of them.
    for _ in 0..10 {
        gate.seen().await;
    }
    assert!(!waits.is_finished());
    drop(open);
    assert_eq!(waits.await.unwrap().body, "good");
}

#[tokio::test]
async fn an_instance_that_fails_again_and_again_is_asked_after_the_others() {
    let broken = Raw::start(b"", Then::Close).await;
    let mut both = route("bad", "bad.localhost", &[]);
    let good = Instance::start("well").await;
    both.targets = vec![broken.target("broken"), good.target()];
    let world = World::with(both).await;
    for _ in 0..40 {
        assert_eq!(world.gate.get("bad.localhost", "/").await.body, "well");
    }
    let asked = world.gate.seen().await.targets["broken"].requests;
    // Three in a row, and whatever a second or two of this let through.
    assert!((3..=12).contains(&asked), "asked {asked} of 40 times");
    // Never the last one: who has nobody else is still asked.
    let mut alone = route("bad", "bad.localhost", &[]);
    alone.targets = vec![broken.target("broken")];
    world.gate.apply(2, vec![alone]).await;
    let before = world.gate.seen().await.targets["broken"].requests;
    assert_eq!(world.gate.get("bad.localhost", "/").await.status, 502);
    until("it was asked", || async { world.gate.seen().await.targets["broken"].requests > before })
        .await;
}

/// What the client owes speaks against nobody, whenever that turns out.
#[tokio::test]
async fn an_answer_that_breaks_for_want_of_the_request_is_the_clients_doing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut early = route("bad", "bad.localhost", &[]);
    early.targets.push(RouteTarget {
        instance: "bad".into(),
        address: listener.local_addr().unwrap().to_string(),
        release: 1,
        deployment: 1,
    });
    early.rules.idle = Some(Length::from_millis(400));
    let world = World::with(early).await;
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut some = [0; 4096];
        // It begins to answer before it has all.
        let _ = stream.read(&mut some).await;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while let Ok(1..) = stream.read(&mut some).await {
            let _ = stream.write_all(b"2\r\nhi\r\n").await;
        }
    });
    let mut stream = TcpStream::connect(world.gate.main).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: bad.localhost\r\nContent-Length: 9\r\n\r\nhalf";
    stream.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer));
    let _ = read.await.expect("it ends");
    let line = logged(world.dir.path(), |line| line["route"] == "bad").await;
    assert_eq!((&line["status"], &line["instance"]), (&200.into(), &"bad".into()), "{line}");
    let seen = world.gate.seen().await;
    assert_eq!(seen.routes["bad"].parts[&1].errors, 0, "{line}");
    assert_eq!(seen.targets["bad"].errors, 0, "{line}");
    assert_ne!(line["why"], "answer-broke");
}

#[tokio::test]
async fn an_instance_that_stops_taking_a_body_is_late() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = |address: &std::net::SocketAddr| RouteTarget {
        instance: "bad".into(),
        address: address.to_string(),
        release: 1,
        deployment: 1,
    };
    let rules = RouteRules { timeout: Some(Length::from_millis(500)), ..RouteRules::default() };
    let mut deaf = Route { rules, ..route("bad", "bad.localhost", &[]) };
    deaf.targets.push(target(&listener.local_addr().unwrap()));
    let world = World::with(deaf).await;
    // It accepts, and that is all.
    let accepted = tokio::spawn(async move { listener.accept().await.unwrap() });
    let mut stream = TcpStream::connect(world.gate.main).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: bad.localhost\r\nContent-Length: 1000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.split();
    let sending = async {
        let piece = vec![7; 64 * 1024];
        while to.write_all(&piece).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 12];
    tokio::select! {
        read = tokio::time::timeout(SOON, from.read_exact(&mut answer)) => drop(read.expect("it is told").unwrap()),
        () = sending => {}
    }
    assert_eq!(&answer, b"HTTP/1.1 504", "{}", String::from_utf8_lossy(&answer));
    let line = world.why("gateway/instance-late").await;
    assert_eq!(line["instance"], "bad");
    drop(accepted);
    world.good_is_well().await;
}
