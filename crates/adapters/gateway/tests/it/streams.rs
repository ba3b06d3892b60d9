//! Bodies that go on for long: nothing is held back, and everything counts as in flight until it is over.

use crate::support::{Body, Gate, Instance, get, raw, route, send, until};
use bytes::Bytes;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;
use std::sync::atomic::Ordering::SeqCst;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn one() -> (TempDir, Gate, Instance) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let instance = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&instance])]).await;
    (dir, gate, instance)
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "web.localhost")
}

fn empty() -> Body {
    Full::default().boxed()
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (_dir, gate, one) = one().await;
    let mut events =
        send(gate.main, request("GET", "/events").body(empty()).unwrap()).await.unwrap();
    for count in 0..3 {
        // Nothing more is on its way: the instance sends the next one only now.
        one.gate.add_permits(1);
        let frame = events.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), format!("data: {count}\n\n"));
        if count < 2 {
            assert_eq!(gate.in_flight("one").await, 1);
        }
    }
    assert!(events.body_mut().frame().await.is_none());
    until("it is over", || async { gate.in_flight("one").await == 0 }).await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_longer_in_flight() {
    let (_dir, gate, one) = one().await;
    let events = send(gate.main, request("GET", "/events").body(empty()).unwrap()).await.unwrap();
    assert_eq!(gate.in_flight("one").await, 1);
    drop(events);
    until("it is over", || async { gate.in_flight("one").await == 0 }).await;
    let main = gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/held", &[]).await });
    until("it is in flight", || async { gate.in_flight("one").await == 1 }).await;
    held.abort();
    until("it is over", || async { gate.in_flight("one").await == 0 }).await;
    until("the instance is told", || async { one.open.load(SeqCst) <= 1 }).await;
}

#[tokio::test]
async fn an_upload_is_handed_on_while_it_comes() {
    let (_dir, gate, one) = one().await;
    let (pieces, rest) = tokio::sync::mpsc::channel::<Bytes>(1);
    let stream = futures::stream::unfold(rest, |mut rest| async move {
        let piece = rest.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), rest))
    });
    let body: Body = BoxBody::new(StreamBody::new(stream));
    let answer = tokio::spawn(send(gate.main, request("POST", "/upload").body(body).unwrap()));
    let piece = Bytes::from(vec![7; 1024 * 1024]);
    for count in 1..=64_u64 {
        pieces.send(piece.clone()).await.unwrap();
        // The first one arrives although the last one was not sent; later ones need no waiting.
        if count == 1 {
            until("the first piece arrives", || async {
                one.received.load(SeqCst) == count * 1024 * 1024
            })
            .await;
        }
    }
    let memory = memory_of(gate.child.id());
    drop(pieces);
    let answer = answer.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, format!("{} ", 64 * 1024 * 1024));
    assert!(memory < 40_000, "64 MiB passed through a gateway of {memory} kB");
}

/// Private memory in kB, which buffers would be.
fn memory_of(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let (_dir, gate, _one) = one().await;
    let get = request("GET", "/trailers").header("te", "trailers").body(empty()).unwrap();
    let answer = send(gate.main, get).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["x-sum"], "42");

    let text = b"POST /upload HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    let answer = raw(gate.main, text).await;
    assert!(answer.contains("2 Some(\"7\")"), "{answer}");
}

#[tokio::test]
async fn a_get_may_have_a_body() {
    let (_dir, gate, _one) = one().await;
    let text = b"GET /upload HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let answer = raw(gate.main, text).await;
    assert!(answer.contains("2 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_go_on() {
    let (_dir, gate, _one) = one().await;
    let mut stream = TcpStream::connect(gate.main).await.unwrap();
    let head = b"POST /upload HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    // Where nobody takes the body, nobody asks for it.
    gate.apply(2, vec![route("r", "web.localhost", &[])]).await;
    let answer = raw(gate.main, head).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

/// As a WebSocket does it: the handshake is HTTP, what follows is bytes both ways.
#[tokio::test]
async fn an_upgraded_connection_lives_on_and_counts() {
    let (_dir, gate, one) = one().await;
    let mut stream = TcpStream::connect(gate.main).await.unwrap();
    stream
        .write_all(b"GET /echo HTTP/1.1\r\nHost: web.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nearly")
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.to_lowercase().contains("upgrade: websocket\r\n"), "{head}");
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"early");

    // The table moves on; the connection does not.
    let two = Instance::start("two").await;
    gate.apply(2, vec![route("r", "web.localhost", &[&two])]).await;
    for _ in 0..3 {
        stream.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"hello");
        assert_eq!(gate.in_flight("one").await, 1);
    }
    drop(stream);
    until("it is over", || async { gate.in_flight("one").await == 0 }).await;
    until("the instance is left alone", || async { one.open.load(SeqCst) == 0 }).await;
}
