//! The headline: tables are switched under load, and no request is lost; when a drain reads zero, it is zero.

use crate::support::{Gate, Instance, route};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::net::TcpStream;

/// Asks again and again until told to stop: half of the clients over one connection each, half over a new one each
/// time; GETs and POSTs. Answers how many were asked and what went wrong.
pub(crate) async fn client(
    at: SocketAddr,
    number: usize,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Result<(), String> {
    let mut kept: Option<hyper::client::conn::http1::SendRequest<Full<bytes::Bytes>>> = None;
    while !stop.load(SeqCst) {
        let mut sender = match kept.take() {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(at).await.map_err(|e| format!("connect: {e}"))?;
                let (sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream))
                        .await
                        .map_err(|e| format!("handshake: {e}"))?;
                tokio::spawn(connection);
                sender
            }
        };
        sender.ready().await.map_err(|e| format!("ready: {e}"))?;
        let method = if number.is_multiple_of(3) { "POST" } else { "GET" };
        let body = if method == "POST" { "some" } else { "" };
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", "web.localhost")
            .body(Full::new(bytes::Bytes::from(body)))
            .unwrap();
        let answer = sender.send_request(request).await.map_err(|e| format!("send: {e}"))?;
        let status = answer.status();
        let last = answer.headers().get("connection").is_some_and(|value| value == "close");
        let text = answer.into_body().collect().await.map_err(|e| format!("body: {e}"))?;
        if status != 200 {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&text.to_bytes())));
        }
        done.fetch_add(1, SeqCst);
        if number.is_multiple_of(2) && !last {
            kept = Some(sender);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_across_switches() {
    const SWITCHES: i64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let mut serving = [Instance::start("i0a").await, Instance::start("i0b").await];
    gate.apply(1, vec![route("r", "web.localhost", &[&serving[0], &serving[1]])]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..12)
        .map(|number| tokio::spawn(client(gate.main, number, stop.clone(), done.clone())))
        .collect();
    for switch in 1..=SWITCHES {
        let next = [
            Instance::start(&format!("i{switch}a")).await,
            Instance::start(&format!("i{switch}b")).await,
        ];
        gate.apply(switch + 1, vec![route("r", "web.localhost", &[&next[0], &next[1]])]).await;
        for old in &serving {
            while gate.in_flight(&old.name).await > 0 {}
            // Zero was read: from here on nothing may reach it, so nobody may notice that it is gone at once.
            old.kill();
        }
        serving = next;
        // Some requests pass between two switches.
        let before = done.load(SeqCst);
        while done.load(SeqCst) < before + 20
            && !clients.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, SeqCst);
    for client in clients {
        assert_eq!(client.await.unwrap(), Ok(()));
    }
    assert!(done.load(SeqCst) >= 20 * SWITCHES as u64);
    let left = gate.seen().await.targets;
    assert_eq!(left.len(), 2, "instances that left and came to rest are forgotten: {left:?}");
}

#[tokio::test]
async fn idle_connections_leave_with_their_instance() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    gate.get("web.localhost", "/").await;
    assert_eq!(one.open.load(SeqCst), 1);
    gate.apply(2, vec![route("r", "web.localhost", &[&two])]).await;
    crate::support::until("its connections are closed", || async { one.open.load(SeqCst) == 0 })
        .await;
    // And back again: it serves as if it had never left.
    gate.apply(3, vec![route("r", "web.localhost", &[&one])]).await;
    assert_eq!(gate.get("web.localhost", "/").await.body, "one");
}
