//! Requests for what sleeps: held, told of at once, let through to the first that is ready; and what is said where
//! nobody comes.

use crate::support::{Gate, Instance, Reply, get, route, until};
use std::time::Duration;
use tokio::task::JoinHandle;
use tow_ports::Edge;
use tow_record::{Route, State};

fn asleep() -> Route {
    let mut route = route("r", "web.localhost", &[]);
    route.wakes = true;
    route.state = State::Asleep;
    route.reason = "it sleeps; a request wakes it".into();
    route
}

fn awake(instance: &Instance) -> Route {
    Route { targets: vec![instance.target()], ..asleep() }
}

fn ask(gate: &Gate) -> JoinHandle<Reply> {
    let main = gate.main;
    tokio::spawn(async move { get(main, "web.localhost", "/", &[]).await })
}

async fn waiting(gate: &Gate) -> u64 {
    gate.seen().await.routes.get("r").map_or(0, |counters| counters.waiting)
}

#[tokio::test]
async fn who_asks_for_what_sleeps_waits_and_is_answered_by_the_first_that_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    gate.apply(1, vec![asleep()]).await;
    // Whoever listens is told of the first that waits, and only once of many.
    let told = gate.edge.clone();
    let called = tokio::spawn(async move { told.changed().await });
    let asked: Vec<_> = (0..50).map(|_| ask(&gate)).collect();
    called.await.unwrap();
    until("all of them wait", || async { waiting(&gate).await == 50 }).await;
    let again = tokio::time::timeout(Duration::from_millis(200), gate.edge.changed());
    assert!(again.await.is_err(), "nothing new");
    // Another table without anybody: they wait on.
    gate.apply(2, vec![asleep(), route("other", "other.localhost", &[])]).await;
    assert_eq!(waiting(&gate).await, 50);
    let instance = Instance::start("one").await;
    gate.apply(3, vec![awake(&instance)]).await;
    for asked in asked {
        let reply = asked.await.unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "one"));
    }
    let counters = gate.seen().await.routes["r"].clone();
    assert_eq!((counters.requests, counters.waiting), (50, 0));
    // Asleep again, the next one calls again, though somebody else listens by now.
    gate.apply(4, vec![asleep()]).await;
    let told = gate.edge.clone();
    let called = tokio::spawn(async move { told.changed().await });
    let asked = ask(&gate);
    called.await.unwrap();
    // Who goes away waits no more.
    asked.abort();
    until("nobody waits", || async { waiting(&gate).await == 0 }).await;
}

#[tokio::test]
async fn a_call_that_came_while_nobody_listened_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    gate.apply(1, vec![asleep()]).await;
    let _asked = ask(&gate);
    until("it waits", || async { waiting(&gate).await == 1 }).await;
    let heard = tokio::time::timeout(Duration::from_secs(10), gate.edge.changed());
    heard.await.expect("a control plane that comes later hears of it");
}

#[tokio::test]
async fn who_waits_too_long_is_told_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &["--hold", "1"]);
    gate.apply(1, vec![asleep()]).await;
    let reply = gate.get("web.localhost", "/").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.headers["retry-after"], "5");
    assert!(reply.body.contains("was not awake in time: it sleeps"), "{}", reply.body);
    assert_eq!(waiting(&gate).await, 0);
    // What wakes nobody is answered at once.
    gate.apply(2, vec![route("r", "web.localhost", &[])]).await;
    let at_once = tokio::time::timeout(Duration::from_millis(900), gate.get("web.localhost", "/"));
    assert_eq!(at_once.await.expect("at once").status, 503);
}

/// The gateway is replaced while requests wait: they are let through by what is told to its successor.
#[tokio::test]
async fn who_waits_at_a_gateway_that_leaves_is_still_woken_for_and_answered() {
    let dir = tempfile::tempdir().unwrap();
    let old = Gate::start(dir.path());
    old.apply(1, vec![asleep(), paused(route("p", "paused.localhost", &[]))]).await;
    let main = old.main;
    let held = tokio::spawn(async move { get(main, "paused.localhost", "/", &[]).await });
    let asked = ask(&old);
    until("both wait", || async {
        let seen = old.seen().await.routes;
        seen.len() == 2 && seen["r"].waiting == 1
    })
    .await;
    let boot = old.seen().await.boot;
    let new = Gate::start(dir.path());
    old.signal("-TERM");
    assert_ne!(new.seen().await.boot, boot);
    assert_eq!(waiting(&new).await, 1, "who waits elsewhere is told of");
    // One of them for a first instance, the other until it serves again; and each a table of its own.
    let one = Instance::start("one").await;
    new.apply(2, vec![awake(&one), paused(route("p", "paused.localhost", &[&one]))]).await;
    let reply = asked.await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "one"));
    assert_eq!(waiting(&new).await, 0);
    assert!(!held.is_finished());
    new.apply(3, vec![awake(&one), route("p", "paused.localhost", &[&one])]).await;
    assert_eq!(held.await.unwrap().body, "one");
}

fn paused(route: Route) -> Route {
    let limit = tow_names::Duration::from_secs(60);
    Route { mode: tow_record::Mode::Paused { limit }, ..route }
}
