//! The web, against servers of this machine that a test scripts: allowed by configuration, as an operator would.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tow_http::{Allow, HttpWeb, Resolve};
use tow_names::Duration;
use tow_ports::{Fetched, Web as _, WebError, WebLimits};

const LIMITS: WebLimits =
    WebLimits { total: Duration::from_secs(10), idle: Duration::from_secs(5), size: 1 << 16 };

fn allowed(items: &[&str]) -> HttpWeb {
    HttpWeb::new(Allow::parse(items).unwrap())
}

/// Reads a request's head and what of its body came along.
async fn head<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while !text.windows(4).any(|at| at == b"\r\n\r\n") {
        let n = stream.read(&mut piece).await.unwrap_or(0);
        if n == 0 {
            break;
        }
        text.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Answers each connection with the next text, and closes it; what was asked is kept.
async fn server(answers: Vec<String>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = asked.clone();
    tokio::spawn(async move {
        let mut answers = VecDeque::from(answers);
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = head(&mut stream).await;
            kept.lock().unwrap().push(request);
            let answer = answers.pop_front().unwrap_or_default();
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, asked)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn bytes(fetched: Result<Fetched, WebError>) -> (String, Option<String>) {
    match fetched.unwrap() {
        Fetched::Body { bytes, etag } => (String::from_utf8(bytes.to_vec()).unwrap(), etag),
        Fetched::NotModified => panic!("it was modified"),
    }
}

#[tokio::test]
async fn what_changed_is_fetched_and_what_did_not_is_not() {
    let (at, asked) = server(vec![
        answer("200 OK", "etag: \"one\"\r\n", "first"),
        answer("304 Not Modified", "", ""),
        answer("404 Not Found", "", "gone"),
    ])
    .await;
    let web = allowed(&["127.0.0.1"]);
    let url = format!("http://{at}/catalog.yaml");
    assert_eq!(bytes(web.get(&url, None, LIMITS).await), ("first".into(), Some("\"one\"".into())));
    assert_eq!(web.get(&url, Some("\"one\""), LIMITS).await, Ok(Fetched::NotModified));
    let gone = web.get(&url, None, LIMITS).await;
    assert!(matches!(gone, Err(WebError::Status { status: 404, .. })), "{gone:?}");
    let asked = asked.lock().unwrap();
    assert!(asked[1].to_lowercase().contains("if-none-match: \"one\""), "{asked:?}");
    assert!(asked[0].to_lowercase().contains("accept-encoding: identity"), "{asked:?}");
}

#[tokio::test]
async fn what_leads_inside_is_refused_however_it_is_spelt() {
    let (at, asked) = server(vec![]).await;
    let web = allowed(&[]);
    let port = at.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "metadata.google.internal",
        "10.0.0.1",
        "192.168.0.1",
        "[fe80::1]",
        "224.0.0.1",
        "127.0.0.1.",
        "１２７.0.0.1",
    ] {
        let said = web.get(&format!("http://{host}:{port}/"), None, LIMITS).await;
        assert!(matches!(said, Err(WebError::Refused { .. })), "{host}: {said:?}");
        let said = web.post(&format!("http://{host}:{port}/"), &[], "x".into(), LIMITS).await;
        assert!(matches!(said, Err(WebError::Refused { .. })), "{host}: {said:?}");
    }
    for url in [
        "file:///etc/passwd",
        "ftp://1.1.1.1/",
        "gopher://1.1.1.1/",
        "nothing",
        "http://u:p@1.1.1.1/",
        "http://",
    ] {
        let said = web.get(url, None, LIMITS).await;
        assert!(matches!(said, Err(WebError::Url { .. })), "{url}: {said:?}");
    }
    assert!(asked.lock().unwrap().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn redirects_are_followed_and_each_is_judged() {
    let (second, _) = server(vec![answer("200 OK", "", "there")]).await;
    let to = |to: &str| answer("302 Found", &format!("location: {to}\r\n"), "");
    let (first, _) = server(vec![
        to(&format!("http://{second}/x")),
        to("http://169.254.169.254/latest/meta-data/"),
        to("http://127.0.0.2/"),
        to("file:///etc/passwd"),
        answer("301 Moved Permanently", "", "nowhere"),
    ])
    .await;
    let web = allowed(&["127.0.0.1"]);
    let url = format!("http://{first}/");
    assert_eq!(bytes(web.get(&url, None, LIMITS).await).0, "there");
    for what in ["metadata", "own address"] {
        let said = web.get(&url, None, LIMITS).await;
        assert!(
            matches!(&said, Err(WebError::Refused { what: w, .. }) if w.contains(what)),
            "{said:?}"
        );
    }
    assert!(matches!(web.get(&url, None, LIMITS).await, Err(WebError::Url { .. })));
    assert!(matches!(web.get(&url, None, LIMITS).await, Err(WebError::Status { status: 301, .. })));
}

#[tokio::test]
async fn a_ring_of_redirects_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            head(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
            let on = answer("307 Temporary Redirect", "location: /again\r\n", "");
            let _ = stream.write_all(on.as_bytes()).await;
        }
    });
    let said = allowed(&["127.0.0.1"]).get(&format!("http://{at}/"), None, LIMITS).await;
    assert!(matches!(said, Err(WebError::Redirect { .. })), "{said:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 6, "the first and five more");
}

#[tokio::test]
async fn what_is_sent_goes_where_it_was_meant_to_go() {
    let (other, others) = server(vec![]).await;
    let (at, asked) = server(vec![
        answer("200 OK", "", "thanks\u{7}"),
        answer("307 Temporary Redirect", &format!("location: http://{other}/\r\n"), ""),
        answer("429 Too Many Requests", "retry-after: 30\r\n", &"x".repeat(5000)),
    ])
    .await;
    let web = allowed(&["127.0.0.0/8"]);
    let url = format!("http://{at}/hook");
    let headers = [("webhook-id".to_string(), "m1".to_string())];
    let first = web.post(&url, &headers, "{}".into(), LIMITS).await.unwrap();
    assert_eq!((first.status, first.excerpt.as_str()), (200, "thanks"));
    assert_eq!(web.post(&url, &[], "{}".into(), LIMITS).await.unwrap().status, 307);
    let third = web.post(&url, &[], "{}".into(), LIMITS).await.unwrap();
    assert_eq!((third.status, third.retry_after), (429, Some(Duration::from_secs(30))));
    assert_eq!(third.excerpt.len(), 1024);
    assert!(others.lock().unwrap().is_empty(), "a redirect of what is sent is not followed");
    assert!(asked.lock().unwrap()[0].contains("webhook-id: m1"));
}

/// Says one thing the first time and another from then on.
struct Turncoat(AtomicUsize);

#[async_trait::async_trait]
impl Resolve for Turncoat {
    async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let turn = self.0.fetch_add(1, Ordering::SeqCst);
        let last = if turn == 0 { 1 } else { 2 };
        Ok(vec![SocketAddr::from(([127, 0, 0, last], port))])
    }
}

#[tokio::test]
async fn a_name_that_comes_to_mean_something_else_is_judged_again() {
    let (at, asked) = server(vec![answer("200 OK", "", "one"), answer("200 OK", "", "two")]).await;
    let resolve = Arc::new(Turncoat(AtomicUsize::new(0)));
    let web = HttpWeb::with(Allow::parse(["127.0.0.1"]).unwrap(), resolve.clone(), Vec::new());
    let url = format!("http://rebinding.example:{}/", at.port());
    assert_eq!(bytes(web.get(&url, None, LIMITS).await).0, "one");
    assert_eq!(resolve.0.load(Ordering::SeqCst), 1, "one look-up, and the connection goes there");
    let said = web.get(&url, None, LIMITS).await;
    let refused = matches!(&said, Err(WebError::Refused { address, .. }) if address == "127.0.0.2");
    assert!(refused, "{said:?}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

async fn drip(mut stream: TcpStream, head: &'static str, piece: &'static [u8], every: u64) {
    let _ = stream.write_all(head.as_bytes()).await;
    let every = std::time::Duration::from_millis(every);
    while stream.write_all(piece).await.is_ok() {
        tokio::time::sleep(every).await;
    }
}

/// Never comes to an end, a piece at a time.
async fn dripping(head_text: &'static str, piece: &'static [u8], every: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                head(&mut stream).await;
                drip(stream, head_text, piece, every).await;
            });
        }
    });
    at
}

#[tokio::test]
async fn nobody_is_waited_for_without_end() {
    let web = allowed(&["127.0.0.1"]);
    let short = WebLimits {
        total: Duration::from_millis(300),
        idle: Duration::from_secs(5),
        size: 1 << 30,
    };
    // A head that never ends, a body that never ends, and silence.
    let endless_head = dripping("HTTP/1.1 200 OK\r\nx: ", b"y", 20).await;
    let endless_body = dripping("HTTP/1.1 200 OK\r\n\r\n", b"y", 20).await;
    for at in [endless_head, endless_body] {
        let said = web.get(&format!("http://{at}/"), None, short).await;
        assert!(matches!(said, Err(WebError::Timeout { .. })), "{said:?}");
    }
    let said = web.post(&format!("http://{endless_head}/"), &[], "x".into(), short).await;
    assert!(matches!(said, Err(WebError::Timeout { .. })), "{said:?}");
    // Whoever answers and goes on talking has answered: the rest is only not read.
    let chatty = WebLimits { total: Duration::from_secs(30), ..short };
    let busy = dripping("HTTP/1.1 202 Accepted\r\n\r\n", &[b'y'; 512], 1).await;
    assert_eq!(
        web.post(&format!("http://{busy}/"), &[], "x".into(), chatty).await.unwrap().status,
        202
    );
    let idle = WebLimits {
        total: Duration::from_secs(30),
        idle: Duration::from_millis(100),
        size: 1 << 30,
    };
    let silent = dripping("HTTP/1.1 200 OK\r\n\r\n", b"y", 600_000).await;
    let said = web.get(&format!("http://{silent}/"), None, idle).await;
    assert!(matches!(said, Err(WebError::Timeout { .. })), "{said:?}");
}

#[tokio::test]
async fn what_is_too_large_or_compressed_is_not_taken() {
    let web = allowed(&["127.0.0.1"]);
    let flood = dripping("HTTP/1.1 200 OK\r\n\r\n", &[b'y'; 4096], 0).await;
    let said = web.get(&format!("http://{flood}/"), None, LIMITS).await;
    assert!(matches!(said, Err(WebError::TooLarge { .. })), "{said:?}");
    let (bomb, _) = server(vec![answer("200 OK", "content-encoding: gzip\r\n", "\u{1f}x")]).await;
    let said = web.get(&format!("http://{bomb}/"), None, LIMITS).await;
    assert!(
        matches!(&said, Err(WebError::Broken { why, .. }) if why.contains("compressed")),
        "{said:?}"
    );
    let (heads, _) =
        server(vec![format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20))]).await;
    let said = web.get(&format!("http://{heads}/"), None, LIMITS).await;
    assert!(matches!(said, Err(WebError::Broken { .. })), "{said:?}");
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let web = allowed(&["127.0.0.1"]);
    let said = web.post(&format!("http://{free}/"), &[], "x".into(), LIMITS).await;
    assert!(matches!(said, Err(WebError::Connect { .. })), "{said:?}");
    assert!(!said.unwrap_err().may_have_arrived());
    let (rude, _) = server(vec!["HTTP/9 what\r\n\r\n".into()]).await;
    let said = web.post(&format!("http://{rude}/"), &[], "x".into(), LIMITS).await;
    assert!(matches!(said, Err(WebError::Broken { .. })), "{said:?}");
    assert!(said.unwrap_err().may_have_arrived());
    let said = web.get("http://nobody.invalid/", None, LIMITS).await;
    assert!(matches!(said, Err(WebError::Dns { .. })), "{said:?}");
}

#[tokio::test]
async fn tls_is_held_to_its_certificates() {
    let made = rcgen::generate_simple_self_signed(["hook.example".to_string()]).unwrap();
    let der = made.cert.der().to_vec();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone().into()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            head(&mut stream).await;
            let said = if std::mem::take(&mut first) {
                answer("200 OK", "", "safe")
            } else {
                answer("302 Found", "location: http://hook.example/\r\n", "")
            };
            let _ = stream.write_all(said.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    struct Here;
    #[async_trait::async_trait]
    impl Resolve for Here {
        async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        }
    }
    let url = format!("https://hook.example:{port}/");
    let allow = || Allow::parse(["127.0.0.1"]).unwrap();
    let stranger = HttpWeb::with(allow(), Arc::new(Here), Vec::new());
    let said = stranger.get(&url, None, LIMITS).await;
    assert!(matches!(said, Err(WebError::Tls { .. })), "{said:?}");
    let friend = HttpWeb::with(allow(), Arc::new(Here), vec![der]);
    let said = friend.get(&format!("https://another.example:{port}/"), None, LIMITS).await;
    assert!(matches!(said, Err(WebError::Tls { .. })), "another name: {said:?}");
    assert_eq!(bytes(friend.get(&url, None, LIMITS).await).0, "safe");
    let said = friend.get(&url, None, LIMITS).await;
    assert!(
        matches!(&said, Err(WebError::Redirect { why, .. }) if why.contains("https")),
        "{said:?}"
    );
}
