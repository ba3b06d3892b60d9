//! Traffic of every kind at once, on a fixed schedule: short requests, answers that take long, bodies that come in
//! pieces, uploads, event streams and WebSockets. Each is asked by an id of its own, so that whoever was to blame can be
//! looked up in an access log. Judges nothing but whether an answer is whole.

use crate::load::chain;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

/// An answer that takes longer than it says, by this, failed.
const LATE: Duration = Duration::from_secs(30);
/// The same of what is answered at once: nobody looks at an empty page for longer.
const LATE_SHORT: Duration = Duration::from_secs(20);
/// The header that names a request.
const ID: &str = "x-request-id";
/// Pieces of an upload, and the time between two of them.
const PIECES: usize = 16;
const PIECE: usize = 16 * 1024;
const BETWEEN: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Answered at once, over a connection that is kept.
    Short,
    /// The same, over a connection of its own.
    Fresh,
    /// The head comes late.
    Slow,
    /// The head comes at once, the end late.
    Trickle,
    /// A body that is sent in pieces over a second and a half.
    Upload,
    /// Server-sent events.
    Events,
    /// A WebSocket on which everything is said back.
    WebSocket,
}

/// What is to be asked, and how often.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// `http://127.0.0.1:PORT`, without a path. Served by the program that the tests deploy.
    pub origin: String,
    /// Another address of it, for what is asked over a connection of its own: where, and by which name.
    pub front: Option<(String, String)>,
    /// Short requests in a second, half of them on fresh connections.
    pub rate: u32,
    /// How long everything takes that takes long.
    pub long: Duration,
    /// What begins when, beside the short ones.
    pub seed: u64,
}

/// A request that was not answered as it should be.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Since the traffic began.
    pub at: Duration,
    /// What was asked for.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// A whole answer came, with this status; none: no answer, or not all of it.
    pub status: Option<u16>,
    /// What came instead.
    pub why: String,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many were asked.
    pub asked: BTreeMap<Kind, u64>,
    /// How many were answered whole.
    pub answered: BTreeMap<Kind, u64>,
    /// The others.
    pub failed: Vec<Failed>,
    /// Who answered, and how often: `release 3 instance i-…`.
    pub who: BTreeMap<String, u64>,
    /// The same by the id of what was asked.
    pub by_id: BTreeMap<String, String>,
    /// The longest time to the answer of a short request.
    pub slowest: Duration,
    /// Which that was, and when it was asked.
    pub slowest_id: (Duration, String),
}

impl Report {
    /// Of all kinds.
    pub fn all(&self) -> u64 {
        self.asked.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed of {}", self.failed.len(), self.all())?;
        for (kind, asked) in &self.asked {
            write!(f, ", {asked} {kind:?}")?;
        }
        let (at, id) = &self.slowest_id;
        write!(f, "; the slowest short one {:?} ({id} at {at:.1?})", self.slowest)?;
        for Failed { at, kind, id, why, .. } in self.failed.iter().take(5) {
            write!(f, "\n  {:>9.3} s {kind:?} {id}: {why}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Traffic that goes on until it is ended, on a thread of its own.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Report>>,
}

impl Running {
    /// Begins nothing more, waits for what was begun, and says what came of it.
    pub fn end(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the traffic did not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

type Body = BoxBody<Bytes, Infallible>;
type Caller = Client<HttpConnector, Body>;

/// What every request shares.
#[derive(Clone)]
struct World {
    origin: String,
    front: Option<(String, String)>,
    long: Duration,
    kept: Caller,
    fresh: Caller,
    report: Arc<Mutex<Report>>,
    began: Instant,
}

impl Traffic {
    /// Begins.
    pub fn begin(self) -> Running {
        let stop = Arc::<AtomicBool>::default();
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the traffic");
            runtime.block_on(self.run(&told))
        });
        Running { stop, thread: Some(thread) }
    }

    async fn run(self, stop: &AtomicBool) -> Report {
        // No second try by the client: users do not do it either.
        let pool = |idle| -> Caller {
            Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(idle)
                .retry_canceled_requests(false)
                .build_http()
        };
        let began = Instant::now();
        let world = World {
            origin: self.origin.clone(),
            front: self.front.clone(),
            long: self.long,
            kept: pool(8),
            fresh: pool(0),
            report: Arc::default(),
            began,
        };
        let every = Duration::from_secs(1) / self.rate.max(1);
        let mut chance = self.seed | 1;
        let mut tasks = tokio::task::JoinSet::new();
        let mut n = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(tokio::time::Instant::from_std(began + every * n)).await;
            let mut kinds = vec![if n % 2 == 1 { Kind::Fresh } else { Kind::Short }];
            // Of each long kind one a second, at moments that the seed says.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let long = [Kind::Slow, Kind::Trickle, Kind::Upload, Kind::Events, Kind::WebSocket];
            let at = chance % u64::from(self.rate.max(1));
            kinds.extend(usize::try_from(at).ok().and_then(|at| long.get(at)));
            for kind in kinds {
                let id = format!("t{:x}-{n}-{kind:?}", self.seed).to_lowercase();
                tasks.spawn(one(world.clone(), kind, id));
            }
            n += 1;
            // One that panics would else be neither answered nor failed.
            while let Some(ended) = tasks.try_join_next() {
                ended.expect("asking does not panic");
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("asking does not panic");
        }
        let report = world.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }
}

/// Asks once, and notes what came of it.
async fn one(world: World, kind: Kind, id: String) {
    let note = |with: &mut dyn FnMut(&mut Report)| {
        with(&mut world.report.lock().unwrap_or_else(PoisonError::into_inner));
    };
    note(&mut |report| *report.asked.entry(kind).or_default() += 1);
    let asked = Instant::now();
    let patience = match kind {
        Kind::Short | Kind::Fresh => LATE_SHORT,
        _ => world.long + LATE,
    };
    let came = tokio::time::timeout(patience, ask(&world, kind, &id)).await;
    let came = came.unwrap_or_else(|_| Err((None, "no answer in time".into())));
    let took = asked.elapsed();
    note(&mut |report| {
        if matches!(kind, Kind::Short | Kind::Fresh) && took > report.slowest {
            report.slowest = took;
            report.slowest_id = (asked - world.began, id.clone());
        }
        match &came {
            Ok(who) => {
                *report.answered.entry(kind).or_default() += 1;
                *report.who.entry(who.clone()).or_default() += 1;
                report.by_id.insert(id.clone(), who.clone());
            }
            Err((status, why)) => report.failed.push(Failed {
                at: asked - world.began,
                kind,
                id: id.clone(),
                status: *status,
                why: why.clone(),
            }),
        }
    });
}

/// Who answered; else the status, where a whole answer came, and why it will not do.
async fn ask(world: &World, kind: Kind, id: &str) -> Result<String, (Option<u16>, String)> {
    let long = world.long.as_millis();
    let (method, path) = match kind {
        Kind::Short | Kind::Fresh => ("GET", "/".to_string()),
        Kind::Slow => ("GET", format!("/slow?ms={long}")),
        Kind::Trickle => ("GET", format!("/trickle?ms={long}")),
        Kind::Events => ("GET", format!("/events?ms={long}")),
        Kind::Upload => ("POST", "/upload".to_string()),
        Kind::WebSocket => return socket(world, id).await.map_err(|why| (None, why)),
    };
    let own = kind != Kind::Short;
    let mut request = http::Request::builder().method(method).header(ID, id);
    if own {
        request = request.header("connection", "close");
    }
    let body = if kind == Kind::Upload { upload() } else { Empty::new().boxed() };
    let front = world.front.as_ref().filter(|_| kind == Kind::Fresh);
    if let Some((_, host)) = front {
        request = request.header("host", host);
    }
    let origin = front.map_or(&world.origin, |(origin, _)| origin);
    let request = request.uri(format!("{origin}{path}")).body(body);
    let request = request.map_err(|error| (None, error.to_string()))?;
    let client = if own { &world.fresh } else { &world.kept };
    let answer = client.request(request).await.map_err(|error| (None, chain(&error)))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| (None, chain(&error)))?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let told = who(&text).filter(|_| status == 200);
    let whole = kind != Kind::Upload || text.starts_with(&format!("{} bytes", PIECES * PIECE));
    told.filter(|_| whole).ok_or_else(|| {
        let head = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (Some(status), format!("{status}: {}", head.chars().take(200).collect::<String>()))
    })
}

fn upload() -> Body {
    let pieces = futures::stream::iter(0..PIECES).then(|n| async move {
        if n > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; PIECE])))
    });
    BoxBody::new(StreamBody::new(pieces))
}

/// Says something now and then and hears it back, until it is time.
async fn socket(world: &World, id: &str) -> Result<String, String> {
    let url = format!("{}/ws", world.origin.replacen("http", "ws", 1));
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    let value = http::HeaderValue::from_str(id).map_err(|error| error.to_string())?;
    request.headers_mut().insert(ID, value);
    let address = world.origin.trim_start_matches("http://");
    let stream = tokio::net::TcpStream::connect(address).await.map_err(|error| chain(&error))?;
    let opened = tokio_tungstenite::client_async(request, stream).await;
    let (mut socket, _) = opened.map_err(|error| chain(&error))?;
    let first = heard(socket.next().await)?;
    let told = who(&first).ok_or_else(|| format!("it said {first:?}"))?;
    let until = Instant::now() + world.long;
    let mut n = 0;
    while Instant::now() < until {
        n += 1;
        let word = format!("{n} of {id}");
        socket.send(Message::text(word.clone())).await.map_err(|error| chain(&error))?;
        let said = heard(socket.next().await)?;
        if said != word {
            return Err(format!("it said {said:?}"));
        }
        tokio::time::sleep(BETWEEN * 2).await;
    }
    socket.close(None).await.map_err(|error| chain(&error))?;
    Ok(told)
}

type Said = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

fn heard(said: Said) -> Result<String, String> {
    let said = said.ok_or("it ended")?.map_err(|error| chain(&error))?;
    Ok(said.into_text().map_err(|error| chain(&error))?.to_string())
}

/// The words of whoever answered.
fn who(text: &str) -> Option<String> {
    let at = text.rfind("release ")?;
    text.ends_with('\n').then(|| text[at..].trim_end().to_string())
}
