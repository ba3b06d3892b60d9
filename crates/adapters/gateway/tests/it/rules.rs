//! What a route's rules do: time, size, tries, redirects, and the protocol that its instances speak.

use crate::support::{Body, Gate, Instance, Raw, Then, get, logged, raw, route, send, until};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tow_names::Duration;
use tow_record::{Redirect, Route, RouteRules, RouteTarget, Spoken};

async fn with(rules: RouteRules) -> (TempDir, Gate, Instance) {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    gate.apply(1, vec![Route { rules, ..route("r", "web.localhost", &[&one]) }]).await;
    (dir, gate, one)
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_504() {
    let rules = RouteRules { timeout: Some(Duration::from_millis(200)), ..RouteRules::default() };
    let (dir, gate, _one) = with(rules).await;
    let reply = gate.get("web.localhost", "/held").await;
    assert_eq!(reply.status, 504);
    assert!(reply.body.contains("within 200ms"), "{}", reply.body);
    logged(dir.path(), |line| line["why"] == "gateway/instance-late").await;
    assert_eq!(gate.get("web.localhost", "/").await.status, 200);
}

#[tokio::test]
async fn what_says_nothing_for_too_long_ends() {
    let rules = RouteRules { idle: Some(Duration::from_millis(300)), ..RouteRules::default() };
    let (dir, gate, one) = with(rules).await;
    // A body, in the middle of which nothing comes: it breaks, and does not end as if it was whole.
    one.gate.add_permits(1);
    let head = Request::get("/events").header("host", "web.localhost");
    let events = send(gate.main, head.body(Full::default().boxed()).unwrap()).await.unwrap();
    assert!(events.into_body().collect().await.is_err());
    logged(dir.path(), |line| line["why"] == "answer-broke").await;
    // A connection of another protocol.
    let mut stream = tokio::net::TcpStream::connect(gate.main).await.unwrap();
    let upgrade = b"GET /echo HTTP/1.1\r\nHost: web.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, upgrade).await.unwrap();
    let mut all = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all);
    let _ = tokio::time::timeout(crate::support::SOON, read).await.expect("it ends");
    assert!(all.starts_with(b"HTTP/1.1 101 "));
    until("it is over", || async { gate.in_flight("one").await == 0 }).await;
}

#[tokio::test]
async fn a_body_may_not_be_larger_than_its_route_takes() {
    let rules = RouteRules { body: Some("1Ki".into()), ..RouteRules::default() };
    let (dir, gate, one) = with(rules).await;
    let post = |body: Vec<u8>| {
        let request = Request::post("/upload").header("host", "web.localhost");
        send(gate.main, request.body(Full::new(Bytes::from(body)).boxed()).unwrap())
    };
    assert_eq!(post(vec![1; 1024]).await.unwrap().status(), 200);
    let received = one.received.load(SeqCst);
    let refused = post(vec![1; 1025]).await.unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(one.received.load(SeqCst), received, "nothing of it was handed on");
    // One that grows over it on its way, while it is sent.
    let (pieces, rest) = tokio::sync::mpsc::channel::<Bytes>(1);
    let stream = futures::stream::unfold(rest, |mut rest| async move {
        Some((Ok::<_, Infallible>(Frame::data(rest.recv().await?)), rest))
    });
    let body: Body = BoxBody::new(StreamBody::new(stream));
    let request = Request::post("/upload").header("host", "web.localhost").body(body).unwrap();
    let answer = tokio::spawn(send(gate.main, request));
    for _ in 0..3 {
        let _ = pieces.send(Bytes::from(vec![1; 512])).await;
    }
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["connection"], "close");
    let larger = |line: &serde_json::Value| line["bytes_in"].as_u64().is_some_and(|n| n > 1024);
    let line = logged(dir.path(), larger).await;
    assert_eq!(line["why"], "gateway/body-too-large");
    // The instance is not to blame for it.
    let part = gate.seen().await.routes["r"].parts[&1].clone();
    assert_eq!((part.requests, part.errors), (1, 0));
}

#[tokio::test]
async fn what_breaks_is_asked_of_as_many_others_as_the_route_says() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let mut breaking = Vec::new();
    for _ in 0..4 {
        breaking.push(Raw::start(b"", Then::Close).await);
    }
    for (revision, retries, expected) in [(1, Some(0), 1), (2, None, 2), (3, Some(3), 4)] {
        let mut all = route("r", "web.localhost", &[]);
        all.rules.retries = retries;
        // Each time of another name, so that nothing of before counts against them.
        let target = |(number, raw): (usize, &Raw)| raw.target(&format!("{revision}-{number}"));
        all.targets = breaking.iter().enumerate().map(target).collect();
        gate.apply(revision, vec![all]).await;
        let id = format!("try-{revision}");
        let reply = get(gate.main, "web.localhost", "/", &[("x-request-id", &id)]).await;
        assert_eq!(reply.status, 502);
        let line = logged(dir.path(), |line| line["request"] == id.as_str()).await;
        assert_eq!(line["tries"], expected, "{line}");
        // What can't be repeated is asked of one.
        let id = format!("post-{revision}");
        let post = format!(
            "POST / HTTP/1.1\r\nHost: web.localhost\r\nX-Request-Id: {id}\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        );
        assert!(raw(gate.main, post.as_bytes()).await.starts_with("HTTP/1.1 502 "));
        let line = logged(dir.path(), |line| line["request"] == id.as_str()).await;
        assert_eq!(line["tries"], 1, "{line}");
    }
}

#[tokio::test]
async fn redirects_lead_elsewhere_and_nobody_is_asked() {
    let to = |to: &str, status| Redirect { to: to.into(), status };
    let redirects = BTreeMap::from([
        ("/old".to_string(), to("/new", Some(301))),
        ("/docs/*".to_string(), to("https://docs.example.test/*", None)),
        ("/all/*".to_string(), to("/*", Some(302))),
    ]);
    let (dir, gate, _one) = with(RouteRules { redirects, ..RouteRules::default() }).await;
    for (path, status, location) in [
        ("/old?a=1", 301, "/new?a=1"),
        ("/docs/a/b?c", 308, "https://docs.example.test/a/b?c"),
        ("/all//evil.example.test", 302, "/evil.example.test"),
        ("/all/%2F/x", 302, "/%2F/x"),
    ] {
        let reply = gate.get("web.localhost", path).await;
        assert_eq!(
            (reply.status, &reply.headers["location"]),
            (status, &location.parse().unwrap())
        );
    }
    assert_eq!(gate.get("web.localhost", "/old/x").await.body, "one");
    logged(dir.path(), |line| line["path"] == "/old" && line["why"] == "redirected").await;
    assert_eq!(gate.seen().await.targets["one"].requests, 1);
}

/// An instance that speaks HTTP/2 from the first byte on. Takes leave of a connection after so many requests.
struct Http2 {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    served: Arc<AtomicU64>,
}

impl Http2 {
    async fn start(leave_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let instance = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            served: Arc::default(),
        };
        let (connections, served) = (instance.connections.clone(), instance.served.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, SeqCst);
                let served = served.clone();
                let here = Arc::new(AtomicU64::new(0));
                let (leave, left) = tokio::sync::oneshot::channel::<()>();
                let leave = Arc::new(std::sync::Mutex::new(Some(leave)));
                let service = service_fn(move |request: Request<Incoming>| {
                    served.fetch_add(1, SeqCst);
                    if here.fetch_add(1, SeqCst) + 1 == leave_after {
                        drop(leave.lock().unwrap().take());
                    }
                    async move { Ok::<_, Infallible>(answer(request).await) }
                });
                tokio::spawn(async move {
                    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service);
                    tokio::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        _ = left => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                });
            }
        });
        instance
    }

    fn route(&self) -> Route {
        let mut of = route("r", "web.localhost", &[]);
        of.rules.protocol = Some(Spoken::H2c);
        of.targets.push(RouteTarget {
            instance: "h2".into(),
            address: self.address.to_string(),
            release: 1,
            deployment: 1,
        });
        of
    }
}

/// Says what it was asked, echoes the body, and ends with trailers, as gRPC does.
async fn answer(request: Request<Incoming>) -> Response<Body> {
    let asked = format!(
        "{:?} {} {} te={:?} ",
        request.version(),
        request.method(),
        request.uri(),
        request.headers().get("te")
    );
    let body = request.into_body().collect().await.unwrap();
    let mut trailers = body.trailers().cloned().unwrap_or_default();
    let sum = trailers.remove("x-sum");
    let mut back = HeaderMap::new();
    back.insert("grpc-status", "0".parse().unwrap());
    if let Some(sum) = sum {
        back.insert("x-sum", sum);
    }
    let frames = [
        Ok::<_, Infallible>(Frame::data(Bytes::from(asked))),
        Ok(Frame::data(body.to_bytes())),
        Ok(Frame::trailers(back)),
    ];
    let mut response = Response::new(BoxBody::new(StreamBody::new(futures::stream::iter(frames))));
    response.headers_mut().insert("trailer", "grpc-status, x-sum".parse().unwrap());
    response
}

#[tokio::test]
async fn instances_may_speak_http_2_with_trailers_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let instance = Http2::start(u64::MAX).await;
    gate.apply(1, vec![instance.route()]).await;
    let text = "POST /x?y=1 HTTP/1.1\r\nHost: web.localhost\r\nTE: trailers\r\nConnection: close, te\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    let reply = raw(gate.main, text.as_bytes()).await;
    assert!(
        reply.contains("HTTP/2.0 POST http://web.localhost/x?y=1 te=Some(\"trailers\")"),
        "{reply}"
    );
    assert!(reply.contains("hi\r\n") && reply.contains("grpc-status: 0"), "{reply}");
    assert!(reply.contains("x-sum: 7"), "{reply}");
    // Many at once share one connection.
    let asked: Vec<_> = (0..40)
        .map(|_| {
            let main = gate.main;
            tokio::spawn(async move { get(main, "web.localhost", "/", &[]).await })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().status, 200);
    }
    assert_eq!((instance.connections.load(SeqCst), instance.served.load(SeqCst)), (1, 41));
    until("nothing is in flight", || async { gate.in_flight("h2").await == 0 }).await;
}

#[tokio::test]
async fn a_connection_that_took_its_leave_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let instance = Http2::start(3).await;
    gate.apply(1, vec![instance.route()]).await;
    for _ in 0..20 {
        assert_eq!(gate.get("web.localhost", "/").await.status, 200);
    }
    let opened = instance.connections.load(SeqCst);
    assert!((2..=20).contains(&opened), "{opened} connections for 20 requests");
}

#[tokio::test]
async fn plain_requests_are_led_to_https_where_the_host_has_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--listen", "https=127.0.0.1:0"];
    let gate = Gate::start_with(dir.path(), &listen);
    let one = Instance::start("one").await;
    let mut secured = route("r", "web.localhost", &[&one]);
    secured.rules.https = Some(true);
    secured.hosts.push("other.example.test".into());
    gate.apply(1, vec![secured]).await;
    assert_eq!(gate.get("web.localhost", "/").await.body, "one", "nobody could be served there");
    let made = rcgen::generate_simple_self_signed(vec!["web.localhost".to_string()]).unwrap();
    let own = tow_record::ServedCertificate {
        host: "web.localhost".into(),
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        until: None,
    };
    let set = tow_record::CertificateSet {
        epoch: 1,
        version: "1".into(),
        certificates: vec![own],
        ..tow_record::CertificateSet::default()
    };
    tow_ports::Edge::certify(&gate.edge, &set).await.unwrap();
    let reply = gate.get("web.localhost:80", "/a?b=c").await;
    let port = gate.https.unwrap().port();
    let expected = format!("https://web.localhost:{port}/a?b=c");
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (308, &*expected));
    assert_eq!(gate.get("other.example.test", "/").await.body, "one", "it has none");
}
