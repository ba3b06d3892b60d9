//! The control plane's side: the port `Edge` over the gateway's control socket, and how a gateway is run.

use crate::change::Change;
use crate::control::{Calls, Taken};
use crate::served::Refusal;
use crate::sockets;
use crate::target::lock;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tow_names::{Id, Network};
use tow_ports::{Edge, PortError, RequestQuery, Requests};
use tow_record::{
    Backoff, CertificateSet, InstanceSpec, ObservedEdge, Probe, Program, Restart, Route, RouteAck,
    RouteSet,
};

/// For a table to be kept safe and served; a slow disk's fsync is most of it.
const APPLY: Duration = Duration::from_secs(10);
/// For a look.
const OBSERVE: Duration = Duration::from_secs(2);

/// For word of a call: longer than the gateway lets anybody wait for none.
const CALLS: Duration = Duration::from_secs(45);
/// Before a gateway that does not answer is asked again for calls.
const AGAIN: Duration = Duration::from_millis(500);

/// The gateway whose folder this is.
#[derive(Debug, Clone)]
pub struct EdgeClient {
    dir: PathBuf,
    /// What was told of calls so far.
    told: Arc<Mutex<Option<Calls>>>,
    /// What it acknowledged last: the next one needs to say only what differs.
    last: Arc<Mutex<Option<Last>>>,
}

/// A table that was acknowledged.
#[derive(Debug)]
struct Last {
    mark: (i64, i64),
    boot: String,
    routes: BTreeMap<String, Route>,
    ports: BTreeMap<String, u16>,
}

impl Last {
    fn of(set: &RouteSet, taken: &Taken) -> Self {
        let routes = set.routes.iter().map(|route| (route.id.clone(), route.clone()));
        Self {
            mark: (set.epoch, set.revision),
            boot: taken.boot.clone(),
            routes: routes.collect(),
            ports: taken.ack.ports.clone(),
        }
    }

    /// What differs, where that is less than the whole.
    fn change(&self, set: &RouteSet) -> Option<Change> {
        let ids = self.routes.keys().map(String::as_str);
        let change = Change::between(self.mark, ids, |id| self.routes.get(id), set);
        (change.size() < set.routes.len()).then_some(change)
    }

    fn changed(mut self, change: Change, ports: BTreeMap<String, u16>) -> Self {
        self.mark = change.mark();
        for id in change.drop {
            self.routes.remove(&id);
            self.ports.remove(&id);
        }
        for route in change.put {
            self.ports.remove(&route.id);
            self.routes.insert(route.id.clone(), route);
        }
        self.ports.extend(ports);
        self
    }
}

impl EdgeClient {
    /// `dir`: the folder that `tow gateway DIR` was given. Connects anew for each call, so it may exist before the
    /// gateway does.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), told: Arc::default(), last: Arc::default() }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<T, PortError> {
        match tokio::time::timeout(within, self.exchange(method, path, body)).await {
            Ok(Ok((StatusCode::OK, bytes))) => serde_json::from_slice(&bytes)
                .map_err(|error| unavailable(&format!("its answer is not readable: {error}"))),
            Ok(Ok((status, bytes))) => Err(match serde_json::from_slice(&bytes) {
                Ok(Refusal::Fenced { given, seen }) => PortError::Fenced { given, seen },
                Ok(Refusal::Refused { message }) => PortError::Refused(message),
                Ok(Refusal::Unavailable { message }) => PortError::Unavailable(message),
                Ok(Refusal::Elsewhere) => unavailable("it serves another table"),
                Err(_) => unavailable(&format!("it answered {status}")),
            }),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(unavailable(&format!("no answer within {} s", within.as_secs()))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), String> {
        let stream = sockets::connect(&self.dir).await.map_err(|error| error.to_string())?;
        exchange(stream, method, path, body).await
    }

    /// Adds what is in flight at gateways whose place was taken, and who waits there: an instance is not idle before they
    /// are done with it, and whoever began to wait is still to be woken for.
    async fn add_leaving(&self, seen: &mut ObservedEdge) {
        for stream in sockets::leaving(&self.dir).await {
            let asked = exchange(stream, Method::GET, "/observe", Vec::new());
            let Ok(Ok((StatusCode::OK, bytes))) = tokio::time::timeout(OBSERVE, asked).await else {
                continue;
            };
            let Ok(left) = serde_json::from_slice::<ObservedEdge>(&bytes) else { continue };
            for (target, counters) in left.targets.into_iter().filter(|(_, c)| c.in_flight > 0) {
                seen.targets.entry(target).or_default().in_flight += counters.in_flight;
            }
            for (route, counters) in left.routes.into_iter().filter(|(_, c)| c.waiting > 0) {
                seen.routes.entry(route).or_default().waiting += counters.waiting;
            }
        }
    }
}

async fn exchange(
    stream: tokio::net::UnixStream,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let exchange = async move {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "gateway")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(|e| e.to_string())?;
        Ok((status, bytes.to_bytes()))
    };
    // Driven here rather than by a task of its own: when the call is dropped, so is its connection.
    let connection = async move {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        done = exchange => done,
        () = connection => Err("the connection ended".to_string()),
    }
}

fn unavailable(detail: &str) -> PortError {
    PortError::Unavailable(format!("the gateway did not answer: {detail}"))
}

#[async_trait]
impl Edge for EdgeClient {
    async fn apply(&self, set: &RouteSet) -> Result<RouteAck, PortError> {
        let written = |error| PortError::Refused(format!("the set can't be written: {error}"));
        // Taken out: whoever comes meanwhile sends the whole.
        let last = lock(&self.last).take();
        if let Some(last) = last
            && let Some(change) = last.change(set)
        {
            let path = format!("/routes?boot={}", last.boot);
            let body = serde_json::to_vec(&change).map_err(written)?;
            // Whatever speaks against it, the whole tells what holds.
            if let Ok(taken) = self.call::<Taken>(Method::PATCH, &path, body, APPLY).await {
                let last = last.changed(change, taken.ack.ports);
                let ack = RouteAck { revision: taken.ack.revision, ports: last.ports.clone() };
                *lock(&self.last) = Some(last);
                return Ok(ack);
            }
        }
        let body = serde_json::to_vec(set).map_err(written)?;
        let taken: Taken = self.call(Method::PUT, "/routes", body, APPLY).await?;
        *lock(&self.last) = Some(Last::of(set, &taken));
        Ok(taken.ack)
    }

    async fn certify(&self, set: &CertificateSet) -> Result<(), PortError> {
        let body = serde_json::to_vec(set)
            .map_err(|error| PortError::Refused(format!("the set can't be written: {error}")))?;
        let _: serde_json::Value = self.call(Method::PUT, "/certificates", body, APPLY).await?;
        Ok(())
    }

    async fn observe(&self) -> Result<ObservedEdge, PortError> {
        match self.call(Method::GET, "/observe", Vec::new(), OBSERVE).await {
            Ok(mut seen) => {
                self.add_leaving(&mut seen).await;
                Ok(seen)
            }
            Err(error) => {
                tracing::debug!(%error, "the gateway is not reachable");
                Ok(ObservedEdge::default())
            }
        }
    }

    async fn requests(&self, query: RequestQuery) -> Result<Requests, PortError> {
        let dir = self.dir.clone();
        let read = move || crate::requests::requests(&dir, &query);
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(PortError::Unavailable(error.to_string())))
    }

    async fn changed(&self) {
        loop {
            let told = lock(&self.told).clone();
            let asked = told.as_ref().map_or_else(|| "/calls".to_string(), Calls::query);
            match self.call::<Calls>(Method::GET, &asked, Vec::new(), CALLS).await {
                Ok(now) => {
                    // Whoever asks for the first time may have looked before the calls that there were.
                    let news = told.map_or(now.calls > 0, |told| told != now);
                    *lock(&self.told) = Some(now);
                    if news {
                        return;
                    }
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

/// How a runtime runs the gateway: the id is `gateway`; `tow` is the program; `listen` are the addresses for all routes
/// (`127.0.0.1:7080`, port 0 allowed), which the runtime binds and keeps while the gateway is started again.
///
/// Its readiness probe says only that the process is there: that it serves, and which table, is what
/// [`Edge::observe`] tells.
pub fn gateway_spec(dir: &Path, tow: &Path, listen: &[String]) -> InstanceSpec {
    use tow_names::Duration;
    InstanceSpec {
        id: Id::parse("gateway").expect("letters make an id"),
        program: Program::Command {
            argv: vec![
                tow.to_string_lossy().into_owned(),
                "gateway".into(),
                dir.to_string_lossy().into_owned(),
            ],
        },
        artifact: None,
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        ports: Vec::new(),
        listen: listen.to_vec(),
        readiness: Probe::Alive,
        liveness: None,
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(1),
        successes: 1,
        restart: Restart::Always(Backoff {
            first: Duration::from_millis(20),
            most: Duration::from_secs(2),
            reset_after: Duration::from_secs(10),
            crash_loop_after: 10,
        }),
        // Longer than the gateway's own drain.
        grace: Duration::from_secs(15),
        before_stop: None,
        time_limit: None,
        setting: tow_record::Setting::default(),
        title: "gateway".into(),
    }
}

/// The same, where these are believed what they say of the clients behind them.
pub fn trusting(mut spec: InstanceSpec, proxies: &[Network]) -> InstanceSpec {
    if let Program::Command { argv } = &mut spec.program {
        argv.extend(proxies.iter().flat_map(|network| ["--trusted".into(), network.to_string()]));
    }
    spec
}
