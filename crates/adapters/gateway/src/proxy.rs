//! One request from its head to the head of its answer: which route, which target, and what to say where there is none.

use crate::body::{Answer, Upload};
use crate::choice::{self, Choice};
use crate::door::HEAD_SIZE;
use crate::exchange::{Arrival, Exchange};
use crate::forwarded::{Way, is_host};
use crate::headers::{self, Known};
use crate::page::Complaint;
use crate::pen::Pen;
use crate::served::Gateway;
use crate::table::{Entrance, Found, Served};
use crate::target::{InFlight, Target};
use crate::tunnel;
use crate::upstream::{self, Failed};
use http::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderValue, LOCATION, SET_COOKIE, TRANSFER_ENCODING,
};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tow_record::Mode;

/// How often a request looks for a target: bounds the work where all of them refuse while tables change.
const TRIES: usize = 8;

/// What becomes of a request.
enum Outcome {
    /// An instance answered.
    Answered(Box<Answered>),
    /// It is led elsewhere.
    Led(u16, HeaderValue),
}

/// An instance's answer, up to its head.
struct Answered {
    response: Response<Incoming>,
    in_flight: Arc<InFlight>,
    served: Arc<Served>,
    /// The client is to keep this.
    cookie: Option<HeaderValue>,
    /// The client's side, where it asked for another protocol.
    upgrade: Option<OnUpgrade>,
}

/// Answers a request; every failure is an answer too.
pub(crate) async fn handle(
    gateway: Arc<Gateway>,
    arrival: Arrival,
    request: Request<Incoming>,
) -> Response<Answer> {
    let trusted = &gateway.manner.trusted;
    let way = Way::of(request.headers(), arrival.peer, arrival.secure, trusted);
    // Only what the page asks for later: the headers themselves go on to the instance.
    let mut accept = HeaderMap::new();
    for value in request.headers().get_all(http::header::ACCEPT) {
        accept.append(http::header::ACCEPT, value.clone());
    }
    let closing = gateway.closing.clone();
    let http2 = request.version() == Version::HTTP_2;
    let mut pen = Pen::default();
    let mut exchange = Exchange::begin(gateway, way.client(), &request, &mut pen);
    // Certificate authorities look here for a token that only they and we know, before any route is asked.
    if arrival.entrance == Entrance::Main
        && let Some(answer) = exchange.gateway().certificates.answer(request.uri().path())
    {
        exchange.refused(200, "acme");
        return Response::new(Answer::own(answer.into_bytes(), exchange));
    }
    let outcome = route(&mut exchange, &arrival, &way, request, pen).await;
    let progress = exchange.progress.clone();
    let spoilt = progress.fault().is_some();
    let mut response = match outcome {
        Ok(Outcome::Answered(answered)) => match relay(&arrival, *answered, exchange) {
            Ok(response) => response,
            Err((complaint, exchange)) => complaint.dress(&accept, exchange),
        },
        Ok(Outcome::Led(status, to)) => led(status, to, exchange),
        Err(complaint) => complaint.dress(&accept, exchange),
    };
    let last = closing.is_cancelled() || spoilt;
    if last && !http2 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // Clients that keep their connection go on with a new one, to the next gateway; and what is left of a body that
        // was not taken is no request.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    match &arrival.pace {
        Some(pace) if response.status() == StatusCode::SWITCHING_PROTOCOLS => pace.other(),
        Some(pace) => response.body_mut().ends(pace.answering(&progress)),
        None => {}
    }
    response
}

async fn route(
    exchange: &mut Box<Exchange>,
    arrival: &Arrival,
    way: &Way,
    mut request: Request<Incoming>,
    mut pen: Pen,
) -> Result<Outcome, Complaint> {
    let gateway = exchange.gateway().clone();
    let host = admitted(&request)?;
    exchange.asks_for(&host);
    let key = host_key(&host);
    let uri = origin_form(request.uri());
    // `*` is about the server as a whole: whoever has the root.
    let path = if uri.path() == "*" { "/" } else { uri.path() }.to_string();
    let http2 = request.version() == Version::HTTP_2;
    let upgrade = (request.version() == Version::HTTP_11)
        .then(|| headers::wants_upgrade(request.headers()))
        .flatten()
        .map(|_| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let length = body.size_hint().exact();
    let chunked = !body.is_end_stream() && length.is_none();
    if upgrade.is_none() {
        parts.headers.remove(http::header::UPGRADE);
    }
    let id = exchange.id.clone();
    let known = Known {
        way,
        local: arrival.local,
        host: &host,
        request: &id,
        trace: &exchange.trace,
        chunked,
        http2,
    };
    headers::to_instance(&mut parts.headers, &known, &mut pen);
    drop(pen);
    let progress = exchange.progress.clone();
    let mut request = Request::new(Upload::new(body, progress.clone()));
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = parts.headers;

    let mut upgrade = upgrade;
    let mut choice: Option<Choice> = None;
    let mut tried: Vec<Arc<Target>> = Vec::new();
    let mut last: Option<Complaint> = None;
    let mut broken = 0;
    let mut held = None;
    let mut tries = 0;
    while tries < TRIES {
        // The table of this moment, each time anew: the targets that refused may just have left it.
        let table = gateway.table();
        let served = match table.find(arrival.entrance, &key, &path) {
            Found::Route(served) => served,
            Found::NoPath => return Err(Complaint::unknown_path()),
            Found::NoHost => return Err(Complaint::unknown_host()),
        };
        exchange.goes(served);
        if served.rules.https
            && way.proto == "http"
            && let Some(to) = secured(&gateway, arrival, &key, request.uri())
        {
            return Ok(Outcome::Led(308, to));
        }
        if let Some((status, to)) = served.rules.redirect(&path, request.uri().query()) {
            return Ok(Outcome::Led(status, to));
        }
        if let Some(limit) = paused(served, exchange.client)? {
            let Some(held) = gateway.begin_pause(&mut held, served, limit) else {
                return Err(Complaint::too_many_paused(&served.route));
            };
            if !gateway.hold(&table, held).await {
                return Err(Complaint::paused(&served.route, limit));
            }
            continue;
        }
        if served.goals.is_empty() && served.route.wakes {
            let Some(held) = gateway.begin_hold(&mut held, served) else {
                return Err(Complaint::too_many_wait(&served.route));
            };
            if !gateway.hold(&table, held).await {
                return Err(Complaint::not_awake(&served.route));
            }
            continue;
        }
        held = None;
        if let (Some(most), Some(length)) = (served.rules.body, length)
            && length > most
        {
            return Err(Complaint::body(crate::body::Fault::TooLarge, Some(most)));
        }
        if let Some(split) = &served.route.split {
            if choice.as_ref().is_none_or(|choice| choice.deployment != split.deployment) {
                let root = &served.route.path;
                choice = Some(choice::choose(split, root, request.headers(), way.proto == "https"));
            }
            headers::hide_cookies(request.headers_mut(), &[&split.cookie]);
        } else {
            choice = None;
        }
        tries += 1;
        let Some(goal) = served.pick(&tried, choice.as_ref()) else {
            return Err(last.unwrap_or_else(|| Complaint::no_instance(&served.route)));
        };
        let target = &goal.target;
        let Some(in_flight) = target.enter() else { continue };
        exchange.tries(goal);
        let sent = upstream::send(&in_flight, request, &progress, &served.rules).await;
        if let (Err(_), Some(fault)) = (&sent, progress.fault()) {
            // The client's doing: nobody else is asked, and it speaks against nobody.
            exchange.spoilt();
            return Err(Complaint::body(fault, served.rules.body));
        }
        match sent {
            Ok(response) => {
                exchange.answered(response.status().as_u16());
                let cookie = choice.and_then(|choice| choice.keep);
                let served = served.clone();
                let upgrade = upgrade.take();
                let answered = Answered { response, in_flight, served, cookie, upgrade };
                return Ok(Outcome::Answered(Box::new(answered)));
            }
            Err(Failed::Connect(same, error)) => {
                tracing::debug!(instance = target.instance, %error, "no connection");
                exchange.failed();
                last = Some(Complaint::failed(
                    &served.route,
                    &format!("no connection to the instance ({})", error.kind()),
                ));
                tried.push(target.clone());
                request = same;
            }
            Err(Failed::Broken(same, error)) => {
                tracing::debug!(instance = target.instance, %error, "connection broke");
                exchange.failed();
                target.erred();
                let complaint =
                    Complaint::failed(&served.route, "the connection broke before an answer came");
                // A few others may try; more would only spread what breaks them.
                let Some(same) = same.filter(|_| broken < served.rules.retries) else {
                    return Err(complaint);
                };
                broken += 1;
                last = Some(complaint);
                tried.push(target.clone());
                request = same;
            }
            Err(Failed::Late) => {
                exchange.failed();
                target.erred();
                return Err(Complaint::late(&served.route, served.rules.timeout));
            }
        }
    }
    Err(last.unwrap_or_else(|| Complaint::bad_request("The route table changes too quickly.")))
}

/// The same by HTTPS, where that is served and the host has a certificate.
fn secured(gateway: &Gateway, arrival: &Arrival, host: &str, uri: &Uri) -> Option<HeaderValue> {
    let port = gateway.secure.get().filter(|_| arrival.entrance == Entrance::Main)?;
    if !gateway.certificates.has(host) {
        return None;
    }
    let port = if *port == 443 { String::new() } else { format!(":{port}") };
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    HeaderValue::from_str(&format!("https://{host}{port}{path}")).ok()
}

/// How long a request is held, where its route is paused; a complaint, where it is under maintenance.
fn paused(served: &Served, client: IpAddr) -> Result<Option<Duration>, Complaint> {
    match &served.route.mode {
        Mode::Serving => Ok(None),
        Mode::Paused { limit } => Ok(Some(Duration::from_micros(limit.micros().unsigned_abs()))),
        Mode::Maintenance { .. } if served.allows(client) => Ok(None),
        Mode::Maintenance { retry_after, message, .. } => {
            let seconds = retry_after.micros().unsigned_abs().div_ceil(1_000_000);
            Err(Complaint::maintenance(&served.route, seconds, message))
        }
    }
}

/// Hands an instance's answer on.
fn relay(
    arrival: &Arrival,
    answered: Answered,
    mut exchange: Box<Exchange>,
) -> Result<Response<Answer>, (Complaint, Box<Exchange>)> {
    let Answered { mut response, in_flight, served, cookie, upgrade } = answered;
    let target = in_flight.target();
    if response.status().is_server_error() {
        target.erred();
    } else {
        target.answered();
    }
    let id = exchange.id.clone();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(client) = upgrade else {
            exchange.broke();
            let why = "it changed the protocol without being asked";
            return Err((Complaint::failed(&served.route, why), exchange));
        };
        let instance = hyper::upgrade::on(&mut response);
        let gateway = exchange.gateway().clone();
        let (mut parts, _) = response.into_parts();
        headers::to_client(&mut parts.headers, &id, true);
        let (idle, room) = (served.rules.idle, arrival.room.clone());
        gateway.tasks.spawn(async move {
            tunnel::join(client, instance, idle, in_flight, exchange).await;
            drop(room);
        });
        let mut out = Response::new(Answer::nothing());
        *out.status_mut() = parts.status;
        *out.headers_mut() = parts.headers;
        return Ok(out);
    }
    let (mut parts, body) = response.into_parts();
    headers::to_client(&mut parts.headers, &id, false);
    if let Some(cookie) = cookie {
        parts.headers.append(SET_COOKIE, cookie);
    }
    let mut out = Response::new(Answer::relayed(body, served.rules.idle, in_flight, exchange));
    *out.status_mut() = parts.status;
    *out.headers_mut() = parts.headers;
    Ok(out)
}

/// Leads elsewhere.
fn led(status: u16, to: HeaderValue, mut exchange: Box<Exchange>) -> Response<Answer> {
    exchange.refused(status, "redirected");
    let id = exchange.id.clone();
    let mut response = Response::new(Answer::own("", exchange));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
    response.headers_mut().insert(LOCATION, to);
    response.headers_mut().insert(headers::X_REQUEST_ID, id);
    response
}

/// The host that is asked for, as written, of a request that may be handed on; empty for HTTP/1.0 clients that name none.
fn admitted(request: &Request<Incoming>) -> Result<String, Complaint> {
    if request.method() == Method::CONNECT {
        return Err(Complaint::not_proxied());
    }
    // The buffer's limit alone is a soft one.
    if head_size(request) > HEAD_SIZE {
        return Err(Complaint::too_large());
    }
    let headers = request.headers();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(Complaint::unknown_coding());
    }
    // RFC 9112, 7.1: chunked once. A length beside it is gone by now (6.3).
    if headers.get_all(TRANSFER_ENCODING).iter().nth(1).is_some() {
        return Err(Complaint::bad_request("The body is said to be chunked twice."));
    }
    let mut expected = headers.get_all(EXPECT).iter();
    if expected.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Complaint::expectation());
    }
    let uri = request.uri();
    if uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Complaint::bad_request("Only http and https are served."));
    }
    if uri.authority().is_some() && uri.scheme().is_none() {
        return Err(Complaint::bad_request("The target is neither a path nor a URL."));
    }
    if uri.path() == "*" && request.method() != Method::OPTIONS {
        return Err(Complaint::bad_request("Only OPTIONS may ask for `*`."));
    }
    host(request)
}

fn head_size(request: &Request<Incoming>) -> usize {
    let headers = request.headers().iter();
    let headers: usize =
        headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    headers + target
}

/// The host asked for, as written; empty for HTTP/1.0 clients that name none.
fn host(request: &Request<Incoming>) -> Result<String, Complaint> {
    let mut given = request.headers().get_all(HOST).iter();
    let header = given.next();
    if given.next().is_some() {
        return Err(Complaint::bad_request("There is more than one Host header."));
    }
    // RFC 9112, 3.2.2: an absolute target says more than the header.
    if header.is_none() && request.version() == Version::HTTP_11 {
        return Err(Complaint::bad_request("There is no Host header."));
    }
    let text = match (request.uri().authority(), header) {
        (Some(authority), _) => authority.as_str().to_string(),
        (None, Some(header)) => header
            .to_str()
            .map_err(|_| Complaint::bad_request("The Host header is not readable."))?
            .to_string(),
        (None, None) => String::new(),
    };
    if is_host(&text) {
        Ok(text)
    } else {
        Err(Complaint::bad_request("The Host header is not a host name."))
    }
}

/// Lower case, without port and without the dot of the root.
fn host_key(host: &str) -> String {
    let name = match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Path and query alone, as an origin server is asked.
fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_case_port_and_root() {
        for (given, expected) in [
            ("Web.Localhost:7080", "web.localhost"),
            ("web.localhost.", "web.localhost"),
            ("[::1]:80", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_key(given), expected);
        }
    }
}
