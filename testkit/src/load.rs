//! Load: requests on a fixed schedule, however long the answers take, so that a slow answer never hides those that
//! would have come after it. Says what failed, when, and who answered last.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

/// An answer that takes longer failed.
const LONGEST: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Load {
    /// `http://127.0.0.1:PORT`, without a path.
    pub origin: String,
    /// In turn.
    pub paths: Vec<String>,
    /// Requests in a second.
    pub rate: u32,
}

/// One request that was not answered as it should be.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Since the load began.
    pub at: Duration,
    /// What was asked for.
    pub path: String,
    /// On a connection of its own?
    pub fresh: bool,
    /// What came instead: a status with the body's head, or an error.
    pub why: String,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many were asked.
    pub asked: u64,
    /// How many were answered 200.
    pub answered: u64,
    /// The others.
    pub failed: Vec<Failed>,
    /// The bodies that came, and how often: who answered.
    pub bodies: BTreeMap<String, u64>,
    /// The longest time to an answer.
    pub slowest: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failed of {} (slowest {:?})", self.failed.len(), self.asked, self.slowest)?;
        for failed in self.failed.iter().take(40) {
            let Failed { at, path, fresh, why } = failed;
            let which = if *fresh { "fresh" } else { "kept" };
            write!(f, "\n  {:>9.3} s {which} {path}: {why}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

/// A load that goes on until it is ended, on threads of its own.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<Report>>,
}

impl Running {
    /// How many were asked so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks no more, waits for what is in flight, and says what came of it.
    pub fn end(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("the load did not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Load {
    /// Begins.
    pub fn begin(self) -> Running {
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, count) = (stop.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the load");
            runtime.block_on(self.run(&told, &count))
        });
        Running { stop, asked, thread: Some(thread) }
    }

    async fn run(self, stop: &AtomicBool, asked: &AtomicU64) -> Report {
        // What the platform's users do not do for themselves, we do not do either: no second try.
        let pool = |idle| -> Client<HttpConnector, Empty<Bytes>> {
            Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(idle)
                .retry_canceled_requests(false)
                .build_http()
        };
        let (kept, fresh) = (pool(8), pool(0));
        let report = Arc::new(Mutex::new(Report::default()));
        let began = Instant::now();
        let every = Duration::from_secs(1) / self.rate.max(1);
        let mut tasks = tokio::task::JoinSet::new();
        let mut n = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            let due = tokio::time::Instant::from_std(began + every * n);
            tokio::time::sleep_until(due).await;
            let path = self.paths[n as usize % self.paths.len()].clone();
            let own = n % 2 == 1;
            n += 1;
            asked.fetch_add(1, Ordering::Relaxed);
            let client = if own { fresh.clone() } else { kept.clone() };
            let url = format!("{}{path}", self.origin);
            let report = report.clone();
            tasks.spawn(async move {
                let asked = Instant::now();
                let got = tokio::time::timeout(LONGEST, ask(&client, &url, own)).await;
                let got = got.unwrap_or_else(|_| Err("no answer in time".into()));
                let took = asked.elapsed();
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                report.asked += 1;
                report.slowest = report.slowest.max(took);
                match got {
                    Ok(body) => {
                        report.answered += 1;
                        *report.bodies.entry(body).or_default() += 1;
                    }
                    Err(why) => {
                        let at = asked - began;
                        report.failed.push(Failed { at, path, fresh: own, why });
                    }
                }
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
        let report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }
}

async fn ask(
    client: &Client<HttpConnector, Empty<Bytes>>,
    url: &str,
    own: bool,
) -> Result<String, String> {
    let mut request = http::Request::get(url);
    if own {
        request = request.header("connection", "close");
    }
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| chain(&error))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status == http::StatusCode::OK {
        return Ok(text);
    }
    let head: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(format!("{status}: {}", head.chars().take(200).collect::<String>()))
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(&format!(": {source}"));
        next = source.source();
    }
    text
}
