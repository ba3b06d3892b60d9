//! A gateway process, instances that answer to order, and a plain HTTP client.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tow_gateway::EdgeClient;
use tow_ports::Edge;
use tow_record::{Mode, ObservedEdge, Route, RouteAck, RouteRules, RouteSet, RouteTarget, State};

/// For everything that must come to pass.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The program that plays both roles.
pub(crate) fn role() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/gateway-role")
}

/// Polls until it holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A gateway process; killed when dropped.
pub(crate) struct Gate {
    pub(crate) child: Child,
    pub(crate) main: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) edge: EdgeClient,
}

impl Gate {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_at(dir, "127.0.0.1:0")
    }

    pub(crate) fn start_at(dir: &Path, listen: &str) -> Self {
        Self::start_with(dir, &["--listen", listen])
    }

    /// Listens somewhere where nothing is said.
    pub(crate) fn start_with(dir: &Path, args: &[&str]) -> Self {
        let somewhere: &[&str] =
            if args.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = Command::new(role())
            .args(["gateway".as_ref(), dir.as_os_str()])
            .args(somewhere)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut main, mut https) = (None, None);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(address) = line.strip_prefix("listening on ") {
                match address.strip_suffix(" (https)") {
                    Some(address) => https = Some(address.parse().unwrap()),
                    None => main = Some(address.parse().unwrap()),
                }
            }
            if line == "ready" {
                break;
            }
        }
        Self { child, main: main.expect("it listens"), https, edge: EdgeClient::new(dir) }
    }

    pub(crate) async fn apply(&self, revision: i64, routes: Vec<Route>) -> RouteAck {
        self.edge.apply(&RouteSet { epoch: 1, revision, routes }).await.unwrap()
    }

    pub(crate) async fn seen(&self) -> ObservedEdge {
        let seen = self.edge.observe().await.unwrap();
        assert!(seen.reachable);
        seen
    }

    pub(crate) async fn in_flight(&self, instance: &str) -> u64 {
        self.seen().await.targets.get(instance).map_or(0, |counters| counters.in_flight)
    }

    pub(crate) async fn get(&self, host: &str, path: &str) -> Reply {
        get(self.main, host, path, &[]).await
    }

    pub(crate) fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A route of `web.localhost` to these instances.
pub(crate) fn route(id: &str, host: &str, targets: &[&Instance]) -> Route {
    Route {
        id: id.into(),
        hosts: vec![host.into()],
        path: "/".into(),
        port: 0,
        component: "default/web".into(),
        environment: "development".into(),
        targets: targets.iter().map(|instance| instance.target()).collect(),
        state: State::Live,
        reason: String::new(),
        wakes: false,
        split: None,
        mode: Mode::Serving,
        rules: RouteRules::default(),
    }
}

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// An instance: a server that says its name and does what paths ask of it.
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// `/held` answers once there is a permit.
    pub(crate) gate: Arc<Semaphore>,
    /// Bytes of uploads that arrived.
    pub(crate) received: Arc<AtomicU64>,
    /// Connections that were opened to it.
    pub(crate) connections: Arc<AtomicU64>,
    /// Connections that are open.
    pub(crate) open: Arc<AtomicU64>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Instance {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let instance = Self {
            name: name.into(),
            address: listener.local_addr().unwrap(),
            gate: Arc::new(Semaphore::new(0)),
            received: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            stop,
        };
        let (name, gate, received) =
            (instance.name.clone(), instance.gate.clone(), instance.received.clone());
        let (connections, open) = (instance.connections.clone(), instance.open.clone());
        tokio::spawn(async move {
            let mut over = stopped.clone();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = over.changed() => return,
                };
                connections.fetch_add(1, SeqCst);
                open.fetch_add(1, SeqCst);
                let (name, gate, received, open) =
                    (name.clone(), gate.clone(), received.clone(), open.clone());
                let mut over = stopped.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let (name, gate, received) = (name.clone(), gate.clone(), received.clone());
                        async move { Ok::<_, Infallible>(answer(request, name, gate, received).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    tokio::select! {
                        _ = connection => {}
                        _ = over.changed() => {}
                    }
                    open.fetch_sub(1, SeqCst);
                });
            }
        });
        instance
    }

    pub(crate) fn target(&self) -> RouteTarget {
        RouteTarget {
            instance: self.name.clone(),
            address: self.address.to_string(),
            release: 1,
            deployment: 1,
        }
    }

    /// As if the process were killed: every connection breaks, no further one is taken.
    pub(crate) fn kill(&self) {
        self.stop.send_replace(true);
    }
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

async fn answer(
    mut request: Request<Incoming>,
    name: String,
    gate: Arc<Semaphore>,
    received: Arc<AtomicU64>,
) -> Response<Body> {
    let path = request.uri().path().to_string();
    match path.as_str() {
        "/headers" => {
            let mut text = format!("{} {}\n", request.method(), request.uri());
            for (name, value) in request.headers() {
                text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
            }
            let mut response = Response::new(full(text));
            let headers = response.headers_mut();
            headers.insert("connection", "x-private".parse().unwrap());
            headers.insert("x-private", "1".parse().unwrap());
            headers.insert("x-public", "1".parse().unwrap());
            headers.append("set-cookie", "tow_session=evil".parse().unwrap());
            headers.append("set-cookie", "mine=1".parse().unwrap());
            response
        }
        "/held" => {
            gate.acquire().await.unwrap().forget();
            Response::new(full(name))
        }
        "/fail" => {
            let mut response = Response::new(full("broken"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        "/upload" => {
            let mut body = request.into_body();
            let mut trailer = String::new();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { break };
                match frame.into_data() {
                    Ok(data) => drop(received.fetch_add(data.len() as u64, SeqCst)),
                    Err(frame) => {
                        trailer = format!("{:?}", frame.into_trailers().unwrap().get("x-sum"));
                    }
                }
            }
            Response::new(full(format!("{} {trailer}", received.load(SeqCst))))
        }
        // Answers before it has all, and takes the rest nevertheless.
        "/early" => {
            let mut body = request.into_body();
            tokio::spawn(async move {
                while let Some(Ok(frame)) = body.frame().await {
                    let count = frame.data_ref().map_or(0, Bytes::len);
                    received.fetch_add(count as u64, SeqCst);
                }
            });
            Response::new(full(name))
        }
        "/large" => Response::new(full(vec![7; 8 * 1024 * 1024])),
        // One event for each permit, three in all.
        "/events" => {
            let events = futures::stream::unfold((0, gate), |(count, gate)| async move {
                if count == 3 {
                    return None;
                }
                gate.acquire().await.unwrap().forget();
                let event = Bytes::from(format!("data: {count}\n\n"));
                Some((Ok::<_, Infallible>(Frame::data(event)), (count + 1, gate)))
            });
            let mut response = Response::new(BoxBody::new(StreamBody::new(events)));
            response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            response
        }
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "42".parse().unwrap());
            let frames = [
                Ok::<_, Infallible>(Frame::data(Bytes::from("body"))),
                Ok(Frame::trailers(trailers)),
            ];
            let mut response =
                Response::new(BoxBody::new(StreamBody::new(futures::stream::iter(frames))));
            response.headers_mut().insert("trailer", "x-sum".parse().unwrap());
            response
        }
        "/echo" if request.headers().contains_key("upgrade") => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
            let mut response = Response::new(full(""));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let protocol = request.headers()["upgrade"].clone();
            response.headers_mut().insert("upgrade", protocol);
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response
        }
        // As most do: all of the request first.
        _ => match request.into_body().collect().await {
            Ok(_) => Response::new(full(name)),
            Err(_) => Response::new(full("it broke off")),
        },
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A GET over a connection of its own.
pub(crate) async fn get(at: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = send(at, request.body(full("")).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// A request over a connection of its own; its answer's body is still to be read.
pub(crate) async fn send(
    at: SocketAddr,
    request: Request<Body>,
) -> Result<Response<Incoming>, hyper::Error> {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await
}

/// Sends bytes and reads until the other end closes.
pub(crate) async fn raw(at: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // The other end may answer and close before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    });
    let closed = read.await.is_ok();
    assert!(
        closed,
        "not closed after {:?}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
    );
    String::from_utf8_lossy(&answer).into_owned()
}

/// The lines of a gateway's access log so far.
pub(crate) fn lines(dir: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.join("access.log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The first line of the access log of which this holds.
pub(crate) async fn logged(
    dir: &Path,
    holds: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    let mut found = None;
    until("the line is written", || {
        found = lines(dir).into_iter().find(|line| holds(line));
        let there = found.is_some();
        async move { there }
    })
    .await;
    found.unwrap()
}

/// An instance that speaks bytes: what it was sent is kept, and what it does once a head was read is its own affair.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    seen: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Raw {
    /// Answers each connection's first request with these bytes and closes, or keeps it open.
    pub(crate) async fn start(answer: &'static [u8], then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let raw = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = raw.seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    let mut own = Vec::new();
                    let mut answered = false;
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        own.extend_from_slice(&buffer[..count]);
                        seen.lock().unwrap().extend_from_slice(&buffer[..count]);
                        if !answered && is_whole(&own) {
                            answered = true;
                            if then == Then::Reset {
                                // With unread bytes or not: the other end sees a reset.
                                let _ = stream.set_zero_linger();
                                return;
                            }
                            let _ = stream.write_all(answer).await;
                            if then == Then::Close {
                                return;
                            }
                        }
                    }
                });
            }
        });
        raw
    }

    /// All that came in since this was last asked, as text.
    pub(crate) fn take(&self) -> String {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        String::from_utf8_lossy(&seen).into_owned()
    }

    pub(crate) fn target(&self, name: &str) -> RouteTarget {
        RouteTarget {
            instance: name.into(),
            address: self.address.to_string(),
            release: 1,
            deployment: 1,
        }
    }
}

/// Are these bytes a whole request, as the gateway frames one?
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("\r\n\r\n")
            && (body.starts_with("0\r\n") || body.contains("\r\n0\r\n"));
    }
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

/// What a [`Raw`] does after it answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    Stay,
    /// Instead of answering.
    Reset,
}
