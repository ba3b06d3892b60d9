//! The access log, and what is counted of each deployment.

use crate::support::{Gate, Instance, get, lines, logged, raw, route, send, until};
use http::Request;
use http_body_util::{BodyExt, Full};
use tempfile::TempDir;
use tow_record::{Route, RoutePart};

async fn one() -> (TempDir, Gate, Instance) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let instance = Instance::start("one").await;
    gate.apply(1, vec![deployed(&instance, 7)]).await;
    (dir, gate, instance)
}

fn deployed(instance: &Instance, deployment: i64) -> Route {
    let mut route = route("r", "web.localhost", &[instance]);
    route.targets[0].deployment = deployment;
    route.targets[0].release = deployment + 100;
    route
}

async fn part(gate: &Gate, deployment: i64) -> RoutePart {
    let routes = gate.seen().await.routes;
    routes.get("r").and_then(|route| route.parts.get(&deployment)).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_line_says_who_asked_what_and_who_answered() {
    let (dir, gate, _one) = one().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("x-request-id", "mine"), ("traceparent", trace), ("tracestate", "a=1")];
    let reply = get(gate.main, "web.localhost:80", "/headers?token=secret", &headers).await;
    let expected = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-";
    assert!(reply.body.contains(expected), "{}", reply.body);
    assert!(!reply.body.contains(trace) && reply.body.contains("tracestate: a=1"));
    let line = logged(dir.path(), |line| line["request"] == "mine").await;
    for (name, value) in [
        ("trace", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ("client", "127.0.0.1".into()),
        ("host", "web.localhost:80".into()),
        ("method", "GET".into()),
        ("path", "/headers".into()),
        ("status", 200.into()),
        ("bytes_in", 0.into()),
        ("bytes_out", reply.body.len().into()),
        ("route", "r".into()),
        ("deployment", 7.into()),
        ("release", 107.into()),
        ("instance", "one".into()),
        ("tries", 1.into()),
        ("why", serde_json::Value::Null),
    ] {
        assert_eq!(line[name], value, "{name} in {line}");
    }
    assert!(line["took_ms"].as_f64().unwrap() >= line["head_ms"].as_f64().unwrap());
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    let text = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn what_the_gateway_answers_itself_says_why() {
    let (dir, gate, _one) = one().await;
    gate.get("other.localhost", "/").await;
    raw(gate.main, b"nonsense\r\n\r\n").await;
    let line = logged(dir.path(), |line| line["host"] == "other.localhost").await;
    assert_eq!((&line["status"], &line["why"]), (&404.into(), &"gateway/unknown-host".into()));
    let line = logged(dir.path(), |line| line["why"] == "malformed").await;
    assert_eq!(line["status"], 400);
}

#[tokio::test]
async fn an_exchange_ends_once_however_it_ends() {
    let (dir, gate, one) = one().await;
    // The client goes away in the middle of the answer,
    let head = Request::get("/events").header("host", "web.localhost");
    let events = send(gate.main, head.body(Full::default().boxed()).unwrap()).await.unwrap();
    drop(events);
    let line = logged(dir.path(), |line| line["path"] == "/events").await;
    assert_eq!((&line["status"], &line["why"]), (&200.into(), &"client-gone".into()));
    // before there is any,
    let main = gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/held", &[]).await });
    until("it is in flight", || async { gate.in_flight("one").await == 1 }).await;
    held.abort();
    let line = logged(dir.path(), |line| line["path"] == "/held").await;
    assert_eq!((&line["status"], &line["why"]), (&0.into(), &"client-gone".into()));
    // or after bytes went both ways.
    let upgrade = "GET /echo HTTP/1.1\r\nHost: web.localhost\r\nConnection: upgrade\r\n\
                   Upgrade: websocket\r\n\r\nearly";
    let mut stream = tokio::net::TcpStream::connect(gate.main).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, upgrade.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"early") {
        seen.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
    }
    drop(stream);
    let line = logged(dir.path(), |line| line["path"] == "/echo").await;
    assert_eq!(
        (&line["status"], &line["bytes_in"], &line["bytes_out"]),
        (&101.into(), &5.into(), &5.into())
    );
    one.gate.add_permits(9);
    let count = lines(dir.path()).iter().filter(|line| line["route"] == "r").count();
    assert_eq!(count, 3);
}

#[tokio::test]
async fn parts_tell_what_each_deployment_did() {
    let (_dir, gate, one) = one().await;
    for path in ["/", "/", "/fail"] {
        gate.get("web.localhost", path).await;
    }
    let seven = part(&gate, 7).await;
    assert_eq!((seven.requests, seven.errors, seven.took.iter().sum::<u64>()), (3, 1, 3));
    // Another deployment, whose instance refuses every connection: asked, and an error.
    let two = Instance::start("two").await;
    two.kill();
    until("it is gone", || async { tokio::net::TcpStream::connect(two.address).await.is_err() })
        .await;
    gate.apply(2, vec![deployed(&two, 8)]).await;
    assert_eq!(gate.get("web.localhost", "/").await.status, 502);
    let eight = part(&gate, 8).await;
    assert_eq!((eight.requests, eight.errors, eight.took.len()), (1, 1, 0));
    let target = gate.seen().await.targets["two"];
    assert_eq!((target.requests, target.errors), (1, 1));
    // Whoever left is remembered: somebody may compare.
    assert_eq!(part(&gate, 7).await, seven);
    assert_eq!(gate.seen().await.routes["r"].requests, 4);
    drop(one);
}

#[tokio::test]
async fn a_client_that_gave_up_is_counted_and_is_no_error() {
    let (_dir, gate, one) = one().await;
    let main = gate.main;
    let held = tokio::spawn(async move { get(main, "web.localhost", "/held", &[]).await });
    until("it is in flight", || async { gate.in_flight("one").await == 1 }).await;
    held.abort();
    until("it is counted", || async { part(&gate, 7).await.requests == 1 }).await;
    assert_eq!(part(&gate, 7).await.errors, 0);
    one.gate.add_permits(1);
}

#[tokio::test]
async fn the_log_goes_on_after_a_kill_and_ends_whole_after_a_drain() {
    let (dir, gate, _one) = one().await;
    gate.get("web.localhost", "/first").await;
    logged(dir.path(), |line| line["path"] == "/first").await;
    gate.kill();
    let mut gate = Gate::start(dir.path());
    gate.get("web.localhost", "/second").await;
    gate.signal("-TERM");
    until("it ends", || {
        let over = gate.child.try_wait().unwrap().is_some();
        async move { over }
    })
    .await;
    let paths: Vec<_> = lines(dir.path()).iter().map(|line| line["path"].clone()).collect();
    assert_eq!(paths, ["/first", "/second"]);
}
