//! Routes that are paused or under maintenance.

use crate::support::{Gate, Instance, get, logged, route, until};
use std::time::Duration;
use tow_names::Duration as Length;
use tow_ports::Edge;
use tow_record::{Mode, Route};

fn with(instance: &Instance, mode: Mode) -> Route {
    Route { mode, ..route("r", "web.localhost", &[instance]) }
}

fn maintenance(allow: &[&str]) -> Mode {
    Mode::Maintenance {
        retry_after: Length::from_secs(600),
        allow: allow.iter().map(|text| (*text).into()).collect(),
        message: "back at <noon>".into(),
    }
}

#[tokio::test]
async fn maintenance_is_told_to_everybody_but_to_some() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![with(&one, maintenance(&["10.0.0.0/8"]))]).await;
    let page = get(gate.main, "web.localhost", "/", &[("accept", "text/html")]).await;
    assert_eq!((page.status, page.headers["retry-after"].to_str().unwrap()), (503, "600"));
    assert!(page.body.contains("back at &lt;noon&gt;"), "{}", page.body);
    let json = get(gate.main, "web.localhost", "/", &[("accept", "application/json")]).await;
    assert!(json.body.contains("gateway/maintenance"), "{}", json.body);
    logged(dir.path(), |line| line["why"] == "gateway/maintenance").await;
    assert!(gate.seen().await.targets.get("one").is_none_or(|target| target.requests == 0));
    // What a client says of itself opens nothing.
    let said = [("x-forwarded-for", "10.1.1.1")];
    assert_eq!(get(gate.main, "web.localhost", "/", &said).await.status, 503);
    gate.apply(2, vec![with(&one, maintenance(&["127.0.0.0/8"]))]).await;
    assert_eq!(gate.get("web.localhost", "/").await.body, "one");
    gate.apply(3, vec![with(&one, Mode::Serving)]).await;
    assert_eq!(gate.get("web.localhost", "/").await.body, "one");
}

#[tokio::test]
async fn trusted_proxies_say_who_is_let_through() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &["--trusted", "127.0.0.0/8"]);
    let one = Instance::start("one").await;
    gate.apply(1, vec![with(&one, maintenance(&["10.0.0.0/8"]))]).await;
    for (said, expected) in [("10.1.1.1", 200), ("9.9.9.9", 503), ("10.1.1.1, 9.9.9.9", 503)] {
        let reply = get(gate.main, "web.localhost", "/", &[("x-forwarded-for", said)]).await;
        assert_eq!(reply.status, expected, "{said}");
    }
    let line = logged(dir.path(), |line| line["status"] == 200).await;
    assert_eq!(line["client"], "10.1.1.1");
    let headers = [
        ("x-forwarded-for", "6.6.6.6, 10.1.1.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example.test"),
        ("x-forwarded-port", "443"),
    ];
    let seen = get(gate.main, "web.localhost", "/headers", &headers).await.body;
    for expected in [
        "x-forwarded-for: 10.1.1.1, 127.0.0.1\n",
        "x-forwarded-proto: https\n",
        "x-forwarded-host: shop.example.test\n",
        "x-forwarded-port: 443\n",
        "forwarded: for=10.1.1.1;host=\"shop.example.test\";proto=https, for=127.0.0.1\n",
    ] {
        assert!(seen.contains(expected), "{expected:?} is missing in\n{seen}");
    }
    assert!(!seen.contains("6.6.6.6"), "{seen}");
}

#[tokio::test]
async fn requests_to_what_is_paused_are_held_until_it_serves_again() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let paused = || Mode::Paused { limit: Length::from_secs(30) };
    gate.apply(1, vec![with(&one, paused())]).await;
    let main = gate.main;
    let ask = || tokio::spawn(async move { get(main, "web.localhost", "/", &[]).await });
    let asked: Vec<_> = (0..20).map(|_| ask()).collect();
    until("they are there", || async {
        gate.seen().await.routes.get("r").is_some_and(|route| route.requests == 20)
    })
    .await;
    // Another table in which it is paused: they wait on.
    gate.apply(2, vec![with(&one, paused()), route("other", "other.localhost", &[])]).await;
    let seen = gate.seen().await;
    assert_eq!(seen.targets.get("one").map_or(0, |target| target.requests), 0);
    assert_eq!(seen.routes["r"].waiting, 0, "nobody is to be woken for them");
    assert!(asked.iter().all(|asked| !asked.is_finished()));
    gate.apply(3, vec![with(&one, Mode::Serving)]).await;
    for asked in asked {
        assert_eq!(asked.await.unwrap().body, "one");
    }
    assert_eq!(gate.seen().await.routes["r"].requests, 20);
}

#[tokio::test]
async fn what_is_held_for_too_long_is_a_504() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![with(&one, Mode::Paused { limit: Length::from_millis(300) })]).await;
    let began = std::time::Instant::now();
    let reply = gate.get("web.localhost", "/").await;
    assert_eq!(reply.status, 504);
    assert!(reply.body.contains("gateway/paused"), "{}", reply.body);
    assert!(began.elapsed() >= Duration::from_millis(300));
    // From pause to maintenance: what waits is told at once.
    gate.apply(2, vec![with(&one, Mode::Paused { limit: Length::from_secs(60) })]).await;
    let main = gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/", &[]).await });
    until("it is there", || async { gate.seen().await.routes["r"].requests == 2 }).await;
    gate.apply(3, vec![with(&one, maintenance(&[]))]).await;
    assert_eq!(held.await.unwrap().status, 503);
}

/// Who waited through a pause for what sleeps waits anew: somebody is woken for it, and not only as long as the pause was.
#[tokio::test]
async fn what_is_held_by_a_pause_wakes_what_sleeps_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let asleep = |mode: Mode| Route { wakes: true, mode, ..route("r", "web.localhost", &[]) };
    let short = Mode::Paused { limit: Length::from_millis(1_500) };
    gate.apply(1, vec![asleep(short)]).await;
    let main = gate.main;
    let asked = tokio::spawn(async move { get(main, "web.localhost", "/", &[]).await });
    until("it is held", || async {
        gate.seen().await.routes.get("r").is_some_and(|route| route.requests == 1)
    })
    .await;
    assert_eq!(gate.seen().await.routes["r"].waiting, 0);
    let called = gate.edge.clone();
    let called = tokio::spawn(async move { called.changed().await });
    gate.apply(2, vec![asleep(Mode::Serving)]).await;
    until("it waits to be woken", || async { gate.seen().await.routes["r"].waiting == 1 }).await;
    tokio::time::timeout(crate::support::SOON, called).await.expect("it calls").unwrap();
    // The pause would be over by now.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    assert!(!asked.is_finished());
    gate.apply(3, vec![Route { wakes: true, ..route("r", "web.localhost", &[&one]) }]).await;
    assert_eq!(asked.await.unwrap().body, "one");
}
