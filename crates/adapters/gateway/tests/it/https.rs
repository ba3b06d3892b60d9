//! HTTPS at the gateway: which certificate is shown for which name, HTTP/2 and HTTP/1.1 behind it, and how certificates
//! change while connections go on.

use crate::support::{Body, Gate, Instance, SOON, raw, route};
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tow_names::Timestamp;
use tow_ports::{Edge, PortError};
use tow_record::{CertificateSet, ServedCertificate};

pub(crate) const LISTEN: [&str; 4] = ["--listen", "127.0.0.1:0", "--listen", "https=127.0.0.1:0"];

pub(crate) fn authority(name: &str) -> ServedCertificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let chain = params.self_signed(&key).unwrap().pem();
    ServedCertificate { host: name.into(), chain, key: key.serialize_pem(), until: None }
}

/// Its own issuer, so that whoever trusts it trusts nothing else.
fn given(host: &str) -> ServedCertificate {
    let made = rcgen::generate_simple_self_signed(vec![host.to_string()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    ServedCertificate { host: host.into(), chain, key, until: None }
}

pub(crate) fn set(
    version: &str,
    authority: &ServedCertificate,
    all: &[&ServedCertificate],
) -> CertificateSet {
    CertificateSet {
        epoch: 1,
        version: version.into(),
        certificates: all.iter().map(|one| (*one).clone()).collect(),
        authority: Some(authority.clone()),
        ..CertificateSet::default()
    }
}

/// A connection of somebody who trusts this one alone.
pub(crate) async fn connect(
    at: SocketAddr,
    host: &str,
    trusts: &ServedCertificate,
    alpn: &[&str],
) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.chain.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(at).await.unwrap();
    let name = ServerName::try_from(host.to_string()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())
}

pub(crate) type H2 = hyper::client::conn::http2::SendRequest<Body>;

async fn h2(at: SocketAddr, host: &str, trusts: &ServedCertificate) -> H2 {
    let stream = connect(at, host, trusts, &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn ask(sender: &mut H2, request: Request<Body>) -> Response<Incoming> {
    tokio::time::timeout(SOON, sender.send_request(request)).await.unwrap().unwrap()
}

fn get(url: &str) -> http::request::Builder {
    Request::get(url)
}

pub(crate) fn none() -> Body {
    Full::new(Bytes::new()).boxed()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_goes_the_same_way_as_http1() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    let (one, own) = (Instance::start("one").await, authority("Own"));
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    gate.edge.certify(&set("1", &own, &[])).await.unwrap();
    assert_eq!(gate.seen().await.certificates, "1");
    let at = gate.https.unwrap();
    let mut sender = h2(at, "web.localhost", &own).await;
    let asked = get("https://web.localhost/headers")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(none())
        .unwrap();
    let answer = ask(&mut sender, asked).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert!(!answer.headers().contains_key("connection"), "nothing of one connection passes");
    let seen = text(answer).await;
    for line in ["cookie: a=1; b=2", "x-forwarded-proto: https", "host: web.localhost"] {
        assert!(seen.lines().any(|seen| seen == line), "{line} in {seen}");
    }
    // Many at a time on one connection; one that waits keeps none of the others.
    let held = get("https://web.localhost/held").body(none()).unwrap();
    let waiting = tokio::spawn(sender.clone().send_request(held));
    for _ in 0..300 {
        let asked = get("https://web.localhost/").body(none()).unwrap();
        assert_eq!(text(ask(&mut sender, asked).await).await, "one");
    }
    one.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    // Bodies and trailers go through.
    let upload = Request::post("https://web.localhost/upload")
        .body(Full::new(Bytes::from(vec![7; 300_000])).boxed())
        .unwrap();
    assert!(text(ask(&mut sender, upload).await).await.starts_with("300000"));
    let trailers =
        get("https://web.localhost/trailers").header("te", "trailers").body(none()).unwrap();
    let trailers = ask(&mut sender, trailers).await.into_body().collect().await.unwrap();
    assert_eq!(trailers.trailers().unwrap()["x-sum"], "42");
    // Another host of the same connection is routed by what it says.
    let elsewhere = get("https://nobody.localhost/").body(none()).unwrap();
    assert_eq!(ask(&mut sender, elsewhere).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_name_is_proved_by_its_own_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    let (one, own) = (Instance::start("one").await, authority("Own"));
    let (shop, star) = (given("shop.example.org"), given("*.example.net"));
    let over = ServedCertificate { until: Some(Timestamp(1)), ..given("old.example.org") };
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let at = gate.https.unwrap();
    // Before there is any, nobody is proved; plain HTTP goes on.
    let why = connect(at, "web.localhost", &own, &[]).await.unwrap_err();
    assert!(why.contains("UnrecognisedName"), "{why}");
    gate.edge.certify(&set("1", &own, &[&shop, &star, &over])).await.unwrap();
    for (host, by) in
        [("shop.example.org", &shop), ("a.example.net", &star), ("web.localhost", &own)]
    {
        connect(at, host, by, &["http/1.1"]).await.unwrap_or_else(|why| panic!("{host}: {why}"));
    }
    for host in ["other.example.org", "a.b.example.net", "old.example.org"] {
        let why = connect(at, host, &own, &[]).await.unwrap_err();
        assert!(why.contains("UnrecognisedName"), "{host}: {why}");
    }
    // Not the one that is trusted: the client goes, and nobody else notices.
    assert!(connect(at, "shop.example.org", &own, &[]).await.is_err());
    assert_eq!(gate.get("web.localhost", "/").await.body, "one");
    // A set with one that can't be read is refused whole.
    let broken = ServedCertificate { key: shop.key.clone(), ..star.clone() };
    let refused = gate.edge.certify(&set("2", &own, &[&broken])).await.unwrap_err();
    assert!(
        matches!(&refused, PortError::Refused(why) if why.contains("example.net")),
        "{refused}"
    );
    let behind = CertificateSet { epoch: 0, ..set("3", &own, &[]) };
    assert!(matches!(gate.edge.certify(&behind).await, Err(PortError::Fenced { .. })));
    assert_eq!(gate.seen().await.certificates, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_without_a_drop_and_outlive_the_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    let (one, own) = (Instance::start("one").await, authority("Own"));
    let (old, new) = (given("shop.example.org"), given("shop.example.org"));
    gate.apply(1, vec![route("r", "shop.example.org", &[&one])]).await;
    gate.edge.certify(&set("1", &own, &[&old])).await.unwrap();
    let at = gate.https.unwrap();
    let mut before = h2(at, "shop.example.org", &old).await;
    let held = get("https://shop.example.org/held").body(none()).unwrap();
    let waiting = tokio::spawn(before.clone().send_request(held));
    gate.edge.certify(&set("2", &own, &[&new])).await.unwrap();
    assert!(connect(at, "shop.example.org", &old, &[]).await.is_err());
    connect(at, "shop.example.org", &new, &[]).await.unwrap();
    one.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    let asked = get("https://shop.example.org/").body(none()).unwrap();
    assert_eq!(text(ask(&mut before, asked).await).await, "one");
    gate.kill();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    assert_eq!(gate.seen().await.certificates, "2");
    connect(gate.https.unwrap(), "shop.example.org", &new, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_socket_goes_over_tls_and_a_token_is_answered_before_any_route() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    let (one, own) = (Instance::start("one").await, authority("Own"));
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let mut with_answer = set("1", &own, &[]);
    with_answer.answers.insert("tok_1".into(), "tok_1.thumb".into());
    gate.edge.certify(&with_answer).await.unwrap();
    let at = gate.https.unwrap();
    let mut stream = connect(at, "web.localhost", &own, &["http/1.1"]).await.unwrap();
    let upgrade = "GET /echo HTTP/1.1\r\nHost: web.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"over and out").await.unwrap();
    let mut echo = [0; 12];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"over and out");
    // Whatever the host: it is the authority's business under which name it looks.
    let known = gate.get("new.example.org", "/.well-known/acme-challenge/tok_1").await;
    assert_eq!((known.status, known.body.as_str()), (200, "tok_1.thumb"));
    let unknown = gate.get("new.example.org", "/.well-known/acme-challenge/tok_2").await;
    assert_eq!(unknown.status, 404);
    let theirs = gate.get("web.localhost", "/.well-known/acme-challenge/own").await;
    assert_eq!(theirs.body, "one", "a workload may have its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_shakes_hands_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    let own = authority("Own");
    gate.edge.certify(&set("1", &own, &[])).await.unwrap();
    let at = gate.https.unwrap();
    // Neither silence nor what is no TLS holds anything for long.
    let silent = tokio::spawn(async move {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let mut byte = [0];
        tokio::time::timeout(Duration::from_secs(20), stream.read(&mut byte)).await
    });
    raw(at, b"GET / HTTP/1.1\r\nHost: web.localhost\r\n\r\n").await;
    connect(at, "web.localhost", &own, &["h2"]).await.unwrap();
    assert!(matches!(silent.await.unwrap(), Ok(Ok(0) | Err(_))), "closed after its ten seconds");
}
