//! A route whose clients are divided between two deployments.

use crate::support::{Gate, Instance, get, route, until};
use tempfile::TempDir;
use tow_record::{Route, Split};

fn split(old: &Instance, new: &Instance, weight: u32) -> Route {
    let mut route = route("r", "web.localhost", &[old, new]);
    route.targets[1].deployment = 2;
    route.split = Some(Split {
        deployment: 2,
        weight,
        header: "x-tow-canary".into(),
        cookie: "tow_canary".into(),
    });
    route
}

async fn two(weight: u32) -> (TempDir, Gate, Instance, Instance) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let (old, new) = (Instance::start("old").await, Instance::start("new").await);
    gate.apply(1, vec![split(&old, &new, weight)]).await;
    (dir, gate, old, new)
}

#[tokio::test]
async fn the_header_decides_before_all_else() {
    let (_dir, gate, _old, _new) = two(0).await;
    for (said, expected) in [("always", "new"), ("never", "old"), ("perhaps", "old")] {
        let headers = [("x-tow-canary", said)];
        let reply = get(gate.main, "web.localhost", "/", &headers).await;
        assert_eq!(reply.body, expected, "{said}");
        assert_eq!(reply.headers.contains_key("set-cookie"), said == "perhaps");
    }
}

#[tokio::test]
async fn a_client_stays_with_whoever_answered_it() {
    let (_dir, gate, old, new) = two(100).await;
    let first = gate.get("web.localhost", "/").await;
    assert_eq!(first.body, "new");
    let cookie = first.headers["set-cookie"].to_str().unwrap().to_string();
    assert_eq!(cookie, "tow_canary=2; Path=/; HttpOnly; SameSite=Lax");
    // Nobody else gets there any more; who was there still does.
    gate.apply(2, vec![split(&old, &new, 0)]).await;
    let headers = [("cookie", "a=1; tow_canary=2")];
    let seen = get(gate.main, "web.localhost", "/headers", &headers).await;
    assert!(seen.body.contains("cookie: a=1\n"), "instances never see it: {}", seen.body);
    assert_eq!(get(gate.main, "web.localhost", "/", &headers).await.body, "new");
    assert_eq!(gate.get("web.localhost", "/").await.body, "old");
    // Of a deployment of before: as if there was none.
    let stale = [("cookie", "tow_canary=1")];
    assert_eq!(get(gate.main, "web.localhost", "/", &stale).await.body, "old");
}

#[tokio::test]
async fn weights_divide_clients_and_counters_tell_them_apart() {
    let (_dir, gate, _old, _new) = two(50).await;
    for _ in 0..60 {
        gate.get("web.localhost", "/").await;
    }
    let parts = gate.seen().await.routes["r"].parts.clone();
    let (old, new) = (parts[&1].requests, parts[&2].requests);
    // Either less often than ten times: once in a hundred million runs.
    assert!(old + new == 60 && old >= 10 && new >= 10, "{old} and {new}");
}

#[tokio::test]
async fn the_other_side_answers_where_nobody_is_left_on_the_chosen_one() {
    let (_dir, gate, _old, new) = two(100).await;
    new.kill();
    until("it is gone", || async { tokio::net::TcpStream::connect(new.address).await.is_err() })
        .await;
    for _ in 0..3 {
        let reply = gate.get("web.localhost", "/").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "old"));
    }
    let parts = gate.seen().await.routes["r"].parts.clone();
    assert_eq!((parts[&2].requests, parts[&2].errors, parts[&1].errors), (3, 3, 0));
}
