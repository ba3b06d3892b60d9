//! Which tables are taken, which ports they open, and what is told of it.

use crate::support::{Gate, Instance, get, route, until};
use tow_gateway::EdgeClient;
use tow_ports::{Edge, PortError};
use tow_record::RouteSet;

fn set(epoch: i64, revision: i64) -> RouteSet {
    RouteSet { epoch, revision, routes: vec![] }
}

#[tokio::test]
async fn only_a_later_table_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    assert_eq!(gate.edge.apply(&set(2, 5)).await.unwrap().revision, 5);
    assert_eq!(gate.edge.apply(&set(2, 5)).await.unwrap().revision, 5);
    assert!(matches!(gate.edge.apply(&set(2, 4)).await, Err(PortError::Refused(_))));
    assert_eq!(gate.edge.apply(&set(1, 9)).await, Err(PortError::Fenced { given: 1, seen: 2 }));
    assert_eq!(gate.edge.apply(&set(3, 1)).await.unwrap().revision, 1);
    let seen = gate.seen().await;
    assert_eq!((seen.epoch, seen.revision), (3, 1));
    assert!(!seen.boot.is_empty());
}

#[tokio::test]
async fn nobody_there_is_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let edge = EdgeClient::new(dir.path().join("never"));
    assert!(!edge.observe().await.unwrap().reachable);
    assert!(matches!(edge.apply(&set(1, 1)).await, Err(PortError::Unavailable(_))));
    let gate = Gate::start(dir.path());
    let edge = gate.edge.clone();
    gate.kill();
    assert!(!edge.observe().await.unwrap().reachable);
}

#[tokio::test]
async fn a_folder_with_a_long_path_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    let gate = Gate::start(&deep);
    assert_eq!(gate.apply(1, vec![]).await.revision, 1);
}

#[tokio::test]
async fn a_set_that_cannot_be_served_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let mut bad = route("r", "web.localhost", &[&one]);
    bad.targets[0].address = "nowhere".into();
    let refused = gate.edge.apply(&RouteSet { epoch: 1, revision: 2, routes: vec![bad] }).await;
    assert!(matches!(refused, Err(PortError::Refused(ref text)) if text.contains("nowhere")));
    assert_eq!(gate.seen().await.revision, 1);
    assert_eq!(gate.get("web.localhost", "/").await.body, "one");
}

#[tokio::test]
async fn a_route_keeps_its_port_and_a_taken_one_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    };
    let routes = || {
        let a = route("a", "a.localhost", &[&one]);
        let mut b = route("b", "b.localhost", &[&two]);
        let mut c = route("c", "c.localhost", &[&two]);
        b.port = free;
        c.port = taken.local_addr().unwrap().port();
        vec![a, b, c]
    };
    let first = gate.apply(1, routes()).await;
    assert_eq!(first.ports["b"], free);
    assert_ne!(first.ports["c"], taken.local_addr().unwrap().port());
    let mut ports: Vec<u16> = first.ports.values().copied().collect();
    ports.dedup();
    assert!(ports.len() == 3 && !ports.contains(&0));
    let a = ([127, 0, 0, 1], first.ports["a"]).into();
    assert_eq!(get(a, "anything", "/", &[]).await.body, "one");

    let second = gate.apply(2, routes()).await;
    assert_eq!(second.ports, first.ports);
    assert_eq!(gate.seen().await.ports, first.ports);

    // A keep-alive connection through a vanished listener is not cut, the listener is closed.
    gate.apply(3, vec![routes().remove(1)]).await;
    until("the port of a vanished route is closed", || async {
        tokio::net::TcpStream::connect(a).await.is_err()
    })
    .await;
    assert_eq!(gate.seen().await.ports.len(), 1);
}

#[tokio::test]
async fn routes_may_share_a_port_by_path() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    let free = {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    };
    let mut all = route("all", "x", &[&one]);
    let mut api = route("api", "x", &[&two]);
    (all.port, api.port, api.path) = (free, free, "/api".into());
    let ack = gate.apply(1, vec![all, api]).await;
    assert_eq!((ack.ports["all"], ack.ports["api"]), (free, free));
    let at = ([127, 0, 0, 1], free).into();
    assert_eq!(get(at, "h", "/x", &[]).await.body, "one");
    assert_eq!(get(at, "h", "/api/x", &[]).await.body, "two");
}
