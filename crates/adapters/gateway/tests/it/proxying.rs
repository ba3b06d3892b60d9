//! What an instance is sent and what a client gets back.

use crate::support::{Gate, Instance, get, raw, route, until};
use std::sync::atomic::Ordering::SeqCst;
use tempfile::TempDir;

async fn one() -> (TempDir, Gate, Instance) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let instance = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&instance])]).await;
    (dir, gate, instance)
}

#[tokio::test]
async fn host_and_path_decide() {
    let (_dir, gate, one) = one().await;
    let two = Instance::start("two").await;
    let mut api = route("api", "web.localhost", &[&two]);
    api.path = "/api".into();
    gate.apply(2, vec![route("r", "web.localhost", &[&one]), api]).await;
    for (host, path, expected) in [
        ("web.localhost", "/", "one"),
        ("WEB.localhost:7080", "/x?y=1", "one"),
        ("web.localhost", "/api/x", "two"),
        ("web.localhost", "/apis", "one"),
    ] {
        assert_eq!(gate.get(host, path).await.body, expected, "{host}{path}");
    }
    let absolute =
        b"GET http://web.localhost/api/ HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n";
    assert!(raw(gate.main, absolute).await.ends_with("two"));
}

#[tokio::test]
async fn an_instance_is_told_about_the_client_and_not_by_the_client() {
    let (_dir, gate, _one) = one().await;
    let reply = get(
        gate.main,
        "web.localhost:7080",
        "/headers?q=%20",
        &[
            ("x-forwarded-for", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("connection", "x-hop, x-request-id"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=1"),
            ("proxy-authorization", "secret"),
            ("cookie", "a=1; tow_session=secret; b=2"),
            ("x-request-id", "mine-1"),
            ("te", "trailers"),
        ],
    )
    .await;
    let seen = reply.body;
    for expected in [
        "GET /headers?q=%20\n",
        "host: web.localhost:7080\n",
        "x-forwarded-for: 127.0.0.1\n",
        "x-forwarded-host: web.localhost:7080\n",
        "x-forwarded-proto: http\n",
        "x-forwarded-port: 7080\n",
        "forwarded: for=127.0.0.1;host=\"web.localhost:7080\";proto=http\n",
        "x-request-id: mine-1\n",
        "cookie: a=1; b=2\n",
        "te: trailers\n",
    ] {
        assert!(seen.contains(expected), "{expected:?} is missing in\n{seen}");
    }
    for secret in ["6.6.6.6", "x-hop", "keep-alive", "secret", "connection:"] {
        assert!(!seen.contains(secret), "{secret:?} is in\n{seen}");
    }
    assert!(reply.headers.contains_key("x-public"));
    assert!(!reply.headers.contains_key("x-private"));
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["mine=1"]);
    assert_eq!(reply.headers["x-request-id"], "mine-1");

    let fresh = get(gate.main, "web.localhost", "/headers", &[("x-request-id", "no good")]).await;
    assert!(fresh.body.contains("x-request-id: req-"), "{}", fresh.body);
}

#[tokio::test]
async fn old_clients_are_served() {
    let (_dir, gate, _one) = one().await;
    let answer = raw(gate.main, b"GET / HTTP/1.0\r\nHost: web.localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK") && answer.ends_with("one"), "{answer}");
    assert!(!answer.contains("chunked"));
    let port = gate.seen().await.ports["r"];
    let answer = raw(([127, 0, 0, 1], port).into(), b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("one"), "{answer}");
    // A body of unknown length ends with the connection.
    let events = raw(gate.main, b"GET /trailers HTTP/1.0\r\nHost: web.localhost\r\n\r\n").await;
    assert!(events.ends_with("\r\n\r\nbody"), "{events}");
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let (_dir, gate, one) = one().await;
    let twice = b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\nGET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n";
    let answer = raw(gate.main, twice).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    for _ in 0..20 {
        gate.get("web.localhost", "/").await;
    }
    // Not exactly one: a connection comes back a moment after its answer was read, when the next request may be there.
    let opened = one.connections.load(SeqCst);
    assert!(opened <= 6, "{opened} connections for 22 requests in a row");
}

#[tokio::test]
async fn the_least_busy_instance_is_asked() {
    let (_dir, gate, one) = one().await;
    let two = Instance::start("two").await;
    gate.apply(2, vec![route("r", "web.localhost", &[&one, &two])]).await;
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(gate.get("web.localhost", "/").await.body);
    }
    names.sort();
    assert_eq!(names, ["one", "one", "two", "two"]);
    let main = gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/held", &[]).await });
    until("the request is in flight", || async {
        gate.in_flight("one").await + gate.in_flight("two").await == 1
    })
    .await;
    let other = if gate.in_flight("one").await == 1 { "two" } else { "one" };
    for _ in 0..4 {
        assert_eq!(gate.get("web.localhost", "/").await.body, other);
    }
    one.gate.add_permits(1);
    two.gate.add_permits(1);
    held.await.unwrap();
}

#[tokio::test]
async fn another_instance_is_asked_where_one_is_gone() {
    let (_dir, gate, one) = one().await;
    let two = Instance::start("two").await;
    gate.apply(2, vec![route("r", "web.localhost", &[&one, &two])]).await;
    for _ in 0..4 {
        gate.get("web.localhost", "/").await;
    }
    one.kill();
    until("it is gone", || async {
        tokio::net::TcpStream::connect(one.address).await.is_err() && one.open.load(SeqCst) == 0
    })
    .await;
    for _ in 0..20 {
        let reply = gate.get("web.localhost", "/").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "two"));
    }
}

#[tokio::test]
async fn counters_tell_what_was_asked_and_what_failed() {
    let (_dir, gate, _one) = one().await;
    for path in ["/", "/fail", "/"] {
        gate.get("web.localhost", path).await;
    }
    until("they are counted", || async {
        let counters = gate.seen().await.targets["one"];
        (counters.in_flight, counters.requests, counters.errors) == (0, 3, 1)
    })
    .await;
}
