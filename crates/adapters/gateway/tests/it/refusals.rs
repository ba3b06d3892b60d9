//! What the gateway answers itself, and what it does not let through.

use crate::support::{Gate, Instance, get, raw, route};
use tow_record::State;

#[tokio::test]
async fn an_unknown_host_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("component:default/web", "web.localhost", &[&one])]).await;
    for accept in ["text/html", "application/json", "*/*"] {
        let reply = get(gate.main, "other.localhost", "/", &[("accept", accept)]).await;
        assert_eq!(reply.status, 404);
        assert!(!reply.body.contains("web.localhost") && !reply.body.contains("default/web"));
        assert!(reply.body.contains("gateway/unknown-host"), "{}", reply.body);
    }
}

#[tokio::test]
async fn a_route_without_instances_says_whose_it_is_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let mut stopped = route("r", "web.localhost", &[]);
    stopped.state = State::Stopped;
    stopped.reason = "stopped by <ann> & co".into();
    gate.apply(1, vec![stopped]).await;

    let page = get(gate.main, "web.localhost", "/", &[("accept", "text/html,*/*")]).await;
    assert_eq!(page.status, 503);
    assert!(page.headers.contains_key("retry-after"));
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    for expected in ["default/web", "development", "stopped by &lt;ann&gt; &amp; co"] {
        assert!(page.body.contains(expected), "{expected} is missing in {}", page.body);
    }
    let json = get(gate.main, "web.localhost", "/", &[("accept", "application/json")]).await;
    assert_eq!(json.headers["content-type"], "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(problem["code"], "gateway/no-instance");
    assert_eq!(problem["status"], 503);
    assert_eq!(problem["request"], json.headers["x-request-id"].to_str().unwrap());
    let text = gate.get("web.localhost", "/").await;
    assert!(text.body.contains("reason: stopped by <ann> & co\n"), "{}", text.body);
}

#[tokio::test]
async fn an_instance_that_is_gone_is_a_502() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let mut dead = route("r", "web.localhost", &[&one]);
    dead.targets[0].address = {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().to_string()
    };
    gate.apply(1, vec![dead]).await;
    let reply = gate.get("web.localhost", "/").await;
    assert_eq!(reply.status, 502);
    assert!(reply.body.contains("default/web in development"), "{}", reply.body);
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn ambiguous_requests_go_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let host = "Host: web.localhost\r\n";
    let long = format!("X-Long: {}\r\n", "x".repeat(80 * 1024));
    let many = "X-A: 1\r\n".repeat(200);
    for (head, expected) in [
        ("POST / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost:\tweb localhost/\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: +1\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n", "400"),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", "400"),
        ("GET / HTTP/1.1\r\n folded: 1\r\n", "400"),
        ("GET  / HTTP/1.1\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n", "501"),
        ("CONNECT web.localhost:80 HTTP/1.1\r\n", "501"),
        (&format!("GET / HTTP/1.1\r\n{long}"), "431"),
        (&format!("GET / HTTP/1.1\r\n{many}"), "431"),
    ] {
        let no_host = head.starts_with("POST / HTTP/1.1\r\n") && head.len() == 17;
        let host = if no_host { "" } else { host };
        let request = format!("{head}{host}Connection: close\r\n\r\n");
        let answer = raw(gate.main, request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{:?} got {answer}", &head[..head.len().min(80)]);
    }
    assert_eq!(gate.seen().await.targets["one"].requests, 0);
}

/// Both lengths: the chunked one holds, the connection ends, and what follows is not taken for a request.
#[tokio::test]
async fn a_second_request_cannot_be_smuggled() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    for lengths in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    ] {
        let request = format!(
            "POST /headers HTTP/1.1\r\nHost: web.localhost\r\n{lengths}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: web.localhost\r\n\r\n"
        );
        let answer = raw(gate.main, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(!answer.contains("content-length: 6"), "{answer}");
    }
}

#[tokio::test]
async fn http_2_is_no_upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let reply = get(
        gate.main,
        "web.localhost",
        "/headers",
        &[("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "x")],
    )
    .await;
    assert_eq!(reply.status, 200);
    assert!(!reply.body.contains("h2c") && !reply.body.contains("http2"), "{}", reply.body);
}
