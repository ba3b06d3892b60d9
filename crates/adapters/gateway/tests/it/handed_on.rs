//! Listeners that somebody else holds and hands on, as the gateway's shim and systemd do: a gateway may end in any way,
//! and nobody is refused meanwhile.

use crate::load::client;
use crate::support::{Instance, get, role, route, until};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tow_gateway::EdgeClient;
use tow_ports::Edge;
use tow_record::RouteSet;

/// A gateway that does not outlive its test.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a gateway with the listener as descriptor 3.
fn start(dir: &Path, listener: &TcpListener) -> Run {
    let child = Command::new("sh")
        .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" gateway \"$1\" 3<&0 </dev/null"])
        .arg(role())
        .arg(dir)
        .stdin(OwnedFd::from(listener.try_clone().unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Run(child)
}

async fn boot(edge: &EdgeClient) -> String {
    edge.observe().await.unwrap().boot
}

async fn up(edge: &EdgeClient, not: &str) -> String {
    until("it is up", || async {
        let boot = boot(edge).await;
        !boot.is_empty() && boot != not
    })
    .await;
    boot(edge).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_and_starting_again_loses_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let one = Instance::start("one").await;
    let edge = EdgeClient::new(dir.path());
    let mut child = start(dir.path(), &listener);
    let mut last = up(&edge, "").await;
    let routes = vec![route("r", "web.localhost", &[&one])];
    edge.apply(&RouteSet { epoch: 1, revision: 1, routes }).await.unwrap();

    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> =
        (0..8).map(|number| tokio::spawn(client(at, number, stop.clone(), done.clone()))).collect();
    for _ in 0..3 {
        let before = done.load(SeqCst);
        until("requests pass", || async { done.load(SeqCst) > before + 20 }).await;
        let pid = child.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        until("it ends", || {
            let over = child.0.try_wait().unwrap().is_some();
            async move { over }
        })
        .await;
        assert_eq!(child.0.wait().unwrap().code(), Some(0));
        // Nobody accepts; whoever comes waits.
        let waiting = tokio::spawn(async move { get(at, "web.localhost", "/", &[]).await });
        child = start(dir.path(), &listener);
        last = up(&edge, &last).await;
        assert_eq!(waiting.await.unwrap().body, "one");
    }
    stop.store(true, SeqCst);
    for client in clients {
        assert_eq!(client.await.unwrap(), Ok(()));
    }

    // Killed: requests in flight are lost, new ones wait for the next gateway.
    for _ in 0..3 {
        drop(child);
        let waiting = tokio::spawn(async move { get(at, "web.localhost", "/", &[]).await });
        child = start(dir.path(), &listener);
        last = up(&edge, &last).await;
        assert_eq!(waiting.await.unwrap().body, "one");
    }
}

#[tokio::test]
async fn whoever_asked_is_told_that_it_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let child = Command::new(role())
        .args(["gateway".as_ref(), dir.path().as_os_str()])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _run = Run(child);
    let mut told = [0; 64];
    let read = tokio::time::timeout(crate::support::SOON, socket.recv(&mut told)).await;
    let count = read.unwrap().unwrap();
    assert_eq!(&told[..count], b"READY=1\n");
    assert!(EdgeClient::new(dir.path()).observe().await.unwrap().reachable);
}
