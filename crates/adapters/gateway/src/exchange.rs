//! One exchange: a request from its head to the last byte of its answer. Knows which route it went, who was asked, how
//! much went through and how long it took. It ends when it is dropped, however that comes about: then it is counted and
//! written down, once.

use crate::access::{self, Line};
use crate::body::{Fault, Progress};
use crate::headers;
use crate::pace::Pace;
use crate::page::Complaint;
use crate::pen::Pen;
use crate::room::Place;
use crate::served::Gateway;
use crate::table::{Entrance, Goal, Served};
use crate::trace::Trace;
use http::{HeaderValue, Method, Request, Uri};
use hyper::body::Incoming;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where and from whom a connection came.
#[derive(Clone)]
pub(crate) struct Arrival {
    pub(crate) entrance: Entrance,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// By TLS.
    pub(crate) secure: bool,
    /// Of a connection that carries one request at a time.
    pub(crate) pace: Option<Pace>,
    /// What the connection takes of the gateway; held as long as anything of it lives.
    pub(crate) room: Place,
}

/// The try that is under way, or the last one.
struct Try {
    goal: Arc<Goal>,
    began: Instant,
    open: bool,
}

/// See the top of this file.
pub(crate) struct Exchange {
    gateway: Arc<Gateway>,
    began: Instant,
    pub(crate) id: HeaderValue,
    pub(crate) trace: Trace,
    /// Whose request it is: who connected, or whom a trusted proxy named.
    pub(crate) client: IpAddr,
    host: String,
    method: Method,
    uri: Uri,
    pub(crate) progress: Arc<Progress>,
    served: Option<Arc<Served>>,
    tried: Option<Try>,
    tries: u32,
    status: u16,
    head: Option<Duration>,
    out: u64,
    complete: bool,
    why: &'static str,
}

impl Exchange {
    /// A request's head is there.
    pub(crate) fn begin(
        gateway: Arc<Gateway>,
        client: IpAddr,
        request: &Request<Incoming>,
        pen: &mut Pen,
    ) -> Box<Self> {
        Box::new(Self {
            gateway,
            began: Instant::now(),
            id: headers::request_id(request.headers(), pen),
            trace: Trace::of(request.headers(), pen),
            client,
            host: String::new(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            progress: Arc::default(),
            served: None,
            tried: None,
            tries: 0,
            status: 0,
            head: None,
            out: 0,
            complete: false,
            why: "",
        })
    }

    pub(crate) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Which host was asked for.
    pub(crate) fn asks_for(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// Which route it goes. Counted there, once, whatever tables come meanwhile.
    pub(crate) fn goes(&mut self, served: &Arc<Served>) {
        if self.served.is_none() {
            served.counts.asked();
        }
        self.served = Some(served.clone());
    }

    /// Somebody is asked now.
    pub(crate) fn tries(&mut self, goal: &Arc<Goal>) {
        self.tries += 1;
        self.tried = Some(Try { goal: goal.clone(), began: Instant::now(), open: true });
    }

    /// Whoever was asked gave no answer.
    pub(crate) fn failed(&mut self) {
        if let Some(tried) = self.close() {
            tried.goal.part.failed();
        }
    }

    /// It came to nothing, and that was the client's doing.
    pub(crate) fn spoilt(&mut self) {
        self.close();
    }

    /// The head of the answer of whoever was asked is there.
    pub(crate) fn answered(&mut self, status: u16) {
        if let Some(tried) = self.close() {
            tried.goal.part.answered(tried.began.elapsed(), status >= 500);
        }
        self.heads(status);
    }

    /// The gateway answers by itself. `why`: a code.
    pub(crate) fn refused(&mut self, status: u16, why: &'static str) {
        self.why = why;
        self.heads(status);
    }

    fn heads(&mut self, status: u16) {
        self.status = status;
        self.head = Some(self.began.elapsed());
        // Nobody asks for these bodies.
        self.complete = self.method == Method::HEAD || matches!(status, 101 | 204 | 304);
    }

    fn close(&mut self) -> Option<&Try> {
        let tried = self.tried.as_mut()?;
        std::mem::take(&mut tried.open).then_some(&*tried)
    }

    /// So much of the answer was handed to the client's connection.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.out += bytes as u64;
    }

    /// What went through an upgraded connection beside what was counted already.
    pub(crate) fn carried(&mut self, into: u64, out: u64) {
        self.progress.carried(into);
        self.out += out;
    }

    /// All of the answer was handed on.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// Nothing more came of the answer for too long. Where more was wanted of the client, that is why.
    pub(crate) fn stood_still(&mut self) {
        let owed = self.progress.wanted().then_some(Fault::Still);
        self.ended_early(self.progress.fault().or(owed));
    }

    /// The answer broke off on the instance's side, or because the rest of the request was not to be had.
    pub(crate) fn broke(&mut self) {
        self.ended_early(self.progress.fault());
    }

    /// `fault`: the client's, which speaks against nobody.
    fn ended_early(&mut self, fault: Option<Fault>) {
        self.complete = true;
        if let Some(fault) = fault {
            self.why = Complaint::body(fault, None).code();
            return;
        }
        self.why = "answer-broke";
        if let Some(tried) = &self.tried {
            tried.goal.target.erred();
            // One that failed already is an error already.
            if self.status < 500 {
                tried.goal.part.broke();
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // The client went away before anybody answered. How long it waited says something of whoever was asked; that
        // it gave up may have any reason.
        if let Some(tried) = self.close() {
            tried.goal.part.answered(tried.began.elapsed(), false);
        }
        if !self.complete && self.why.is_empty() {
            self.why = "client-gone";
        }
        let goal = self.tried.as_ref().map(|tried| tried.goal.as_ref());
        self.gateway.log.take(&Line {
            time: access::now(),
            request: self.id.to_str().unwrap_or_default(),
            trace: self.trace.id(),
            client: self.client,
            host: &self.host,
            method: self.method.as_str(),
            path: self.uri.path(),
            status: self.status,
            bytes_in: self.progress.bytes(),
            bytes_out: self.out,
            head_ms: self.head.map(millis),
            took_ms: millis(self.began.elapsed()),
            route: self.served.as_ref().map_or("", |served| served.route.id.as_str()),
            deployment: goal.map(|goal| goal.deployment),
            release: goal.map(|goal| goal.release),
            instance: goal.map_or("", |goal| goal.target.instance.as_str()),
            tries: self.tries,
            why: self.why,
        });
    }
}

/// Writes down what never became a request: `why` says what came instead.
pub(crate) fn note(gateway: &Gateway, arrival: &Arrival, status: u16, why: &str) {
    gateway.log.take(&Line {
        time: access::now(),
        request: "",
        trace: "",
        client: arrival.peer.ip().to_canonical(),
        host: "",
        method: "",
        path: "",
        status,
        bytes_in: 0,
        bytes_out: 0,
        head_ms: None,
        took_ms: 0.0,
        route: "",
        deployment: None,
        release: None,
        instance: "",
        tries: 0,
        why,
    });
}

/// With three digits behind the point.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
