//! What outlives a gateway: its table, its ports, and on SIGTERM its requests.

use crate::support::{Gate, Instance, get, route, until};
use std::os::unix::process::ExitStatusExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_killed_gateway_comes_back_with_the_same_table_and_ports() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let ack = gate.apply(7, vec![route("r", "web.localhost", &[&one])]).await;
    let before = gate.seen().await;
    gate.kill();
    for _ in 0..3 {
        let gate = Gate::start(dir.path());
        let seen = gate.seen().await;
        assert_eq!((seen.epoch, seen.revision, &seen.ports), (1, 7, &ack.ports));
        assert_ne!(seen.boot, before.boot);
        assert_eq!(gate.get("web.localhost", "/").await.body, "one");
        let at = ([127, 0, 0, 1], ack.ports["r"]).into();
        assert_eq!(get(at, "127.0.0.1", "/", &[]).await.body, "one");
        gate.kill();
    }
}

/// A port that somebody took meanwhile is waited for a while, and nobody else with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_can_not_be_had_keeps_nobody_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let ack = gate.apply(7, vec![route("r", "web.localhost", &[&one])]).await;
    let main = gate.main;
    gate.kill();
    let taken = std::net::TcpListener::bind(("127.0.0.1", ack.ports["r"])).unwrap();
    let path = dir.path().to_path_buf();
    let starts = tokio::task::spawn_blocking(move || Gate::start_at(&path, &main.to_string()));
    until("it listens", || async { TcpStream::connect(main).await.is_ok() }).await;
    assert_eq!(get(main, "web.localhost", "/", &[]).await.body, "one");
    assert!(!starts.is_finished(), "it still tries to have the port");
    let gate = starts.await.unwrap();
    let seen = gate.seen().await;
    assert_eq!((seen.revision, seen.ports.len()), (7, 1));
    assert_ne!(seen.ports, ack.ports);
    let at = ([127, 0, 0, 1], seen.ports["r"]).into();
    assert_eq!(get(at, "127.0.0.1", "/", &[]).await.body, "one");
    drop(taken);
}

#[tokio::test]
async fn a_damaged_table_falls_back_to_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    gate.apply(2, vec![]).await;
    gate.kill();
    std::fs::write(dir.path().join("routes.json"), b"{\"set\": {").unwrap();
    let gate = Gate::start(dir.path());
    assert_eq!(gate.seen().await.revision, 1);
    assert_eq!(gate.get("web.localhost", "/").await.body, "one");
    gate.apply(3, vec![route("r", "other.localhost", &[&one])]).await;
    gate.kill();
    std::fs::write(dir.path().join("routes.json"), b"\0").unwrap();
    std::fs::write(dir.path().join("routes.prev.json"), b"\0").unwrap();
    let gate = Gate::start(dir.path());
    assert_eq!(gate.seen().await.revision, 0);
    assert_eq!(gate.get("web.localhost", "/").await.status, 404);
}

#[tokio::test]
async fn a_gateway_that_is_told_to_end_answers_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let main = gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/held", &[]).await });
    until("it is in flight", || async { gate.in_flight("one").await == 1 }).await;
    gate.signal("-TERM");
    until("it takes no more", || async { TcpStream::connect(main).await.is_err() }).await;
    assert!(gate.child.try_wait().unwrap().is_none());
    one.gate.add_permits(1);
    let reply = held.await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "one"));
    let mut ended = None;
    until("it ends", || {
        ended = gate.child.try_wait().unwrap();
        let over = ended.is_some();
        async move { over }
    })
    .await;
    let ended = ended.unwrap();
    assert_eq!((ended.code(), ended.signal()), (Some(0), None));
}

#[tokio::test]
async fn a_new_gateway_takes_over_from_an_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let old = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let ack = old.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let old_boot = old.seen().await.boot;
    old.signal("-TERM");
    let new = Gate::start(dir.path());
    assert_ne!(new.seen().await.boot, old_boot);
    assert_eq!(new.seen().await.ports, ack.ports);
    assert_eq!(new.get("web.localhost", "/").await.body, "one");
}

/// kamal-proxy wrote its routes over the live file, so that dying meanwhile lost all of them. Killed at any moment, what was
/// acknowledged is served again.
#[tokio::test]
async fn kamal_proxy_dying_while_routes_are_written_lost_them() {
    let dir = tempfile::tempdir().unwrap();
    let one = Instance::start("one").await;
    let (mut revision, mut kept) = (0, 0);
    for round in 0..8_u64 {
        let gate = Gate::start(dir.path());
        let seen = gate.seen().await.revision;
        assert!(seen >= kept, "{kept} was acknowledged, {seen} is served in round {round}");
        if seen > 0 {
            assert_eq!(gate.get("h7.localhost", "/").await.body, "one");
            let newest = gate.get(&format!("new{seen}.localhost"), "/").await;
            assert_eq!(newest.body, "one", "revision {seen} is whole");
        }
        revision = revision.max(seen);
        let edge = gate.edge.clone();
        let target = one.target();
        let writing = tokio::spawn(async move {
            let mut acknowledged = revision;
            loop {
                revision += 1;
                let mut routes: Vec<_> = (0..100)
                    .map(|n| route(&format!("r{n}"), &format!("h{n}.localhost"), &[]))
                    .collect();
                routes.push(route("new", &format!("new{revision}.localhost"), &[]));
                for route in &mut routes {
                    route.targets = vec![target.clone()];
                }
                let set = tow_record::RouteSet { epoch: 1, revision, routes };
                match tow_ports::Edge::apply(&edge, &set).await {
                    Ok(_) => acknowledged = revision,
                    Err(_) => return (acknowledged, revision),
                }
            }
        });
        // Some of the first ones whole, others a change alone: at another moment in each round.
        tokio::time::sleep(std::time::Duration::from_millis(120 + 37 * round)).await;
        gate.kill();
        (kept, revision) = writing.await.unwrap();
    }
    assert!(kept > 8, "{kept} tables were written");
}
