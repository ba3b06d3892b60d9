//! One request from its head to the head of its answer: which route, which target, and what to say where there is none.

use crate::body::{Answer, Progress, Upload};
use crate::door::HEAD_SIZE;
use crate::headers::{self, Client};
use crate::page::Complaint;
use crate::served::Gateway;
use crate::table::{Entrance, Found, Served};
use crate::target::{InFlight, Target};
use crate::tunnel;
use crate::upstream::{self, Failed};
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use std::net::SocketAddr;
use std::sync::Arc;

/// How often a request looks for a target: bounds the work where all of them refuse while tables change.
const TRIES: usize = 8;

/// Where and from whom a connection came.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) entrance: Entrance,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Answers a request; every failure is an answer too.
pub(crate) async fn handle(
    gateway: Arc<Gateway>,
    arrival: Arrival,
    request: Request<Incoming>,
) -> Response<Answer> {
    let id = headers::request_id(request.headers());
    // Only what the page asks for later: the headers themselves go on to the instance.
    let mut accept = HeaderMap::new();
    for value in request.headers().get_all(http::header::ACCEPT) {
        accept.append(http::header::ACCEPT, value.clone());
    }
    let closing = gateway.closing.clone();
    let mut response = match route(gateway, arrival, request, &id).await {
        Ok(response) => response,
        Err(complaint) => complaint.dress(&accept, &id),
    };
    if closing.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // Clients that keep their connection go on with a new one, to the next gateway.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn route(
    gateway: Arc<Gateway>,
    arrival: Arrival,
    mut request: Request<Incoming>,
    id: &HeaderValue,
) -> Result<Response<Answer>, Complaint> {
    if request.method() == Method::CONNECT {
        return Err(Complaint::not_proxied());
    }
    // The buffer's limit alone is a soft one.
    if head_size(&request) > HEAD_SIZE {
        return Err(Complaint::too_large());
    }
    if request.headers().get_all(TRANSFER_ENCODING).iter().any(|coding| coding != "chunked") {
        return Err(Complaint::unknown_coding());
    }
    let host = host(&request)?;
    let key = host_key(&host);
    let path = request.uri().path().to_string();
    let uri = origin_form(request.uri());
    let upgrade = (request.version() == Version::HTTP_11)
        .then(|| headers::wants_upgrade(request.headers()))
        .flatten()
        .map(|_| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let chunked = !body.is_end_stream() && body.size_hint().exact().is_none();
    let client = Client { peer: arrival.peer, local: arrival.local, host: &host, request: id };
    if upgrade.is_none() {
        parts.headers.remove(http::header::UPGRADE);
    }
    headers::to_instance(&mut parts.headers, &client, chunked);
    let progress = Arc::new(Progress::default());
    let mut request = Request::new(Upload::new(body, progress.clone()));
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = parts.headers;

    let mut tried: Vec<Arc<Target>> = Vec::new();
    let mut last: Option<Complaint> = None;
    let mut broken = false;
    let mut counted = false;
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
        if !counted {
            served.counts.asked();
            counted = true;
        }
        if served.targets.is_empty() && served.route.wakes {
            if held.is_none() {
                held = gateway.begin_hold(served);
            }
            let Some(held) = &held else { return Err(Complaint::too_many_wait(&served.route)) };
            if !gateway.hold(&table, held).await {
                return Err(Complaint::not_awake(&served.route));
            }
            continue;
        }
        tries += 1;
        let Some(target) = served.pick(&tried) else {
            return Err(last.unwrap_or_else(|| Complaint::no_instance(&served.route)));
        };
        let Some(in_flight) = target.enter() else { continue };
        held = None;
        match upstream::send(&in_flight, request, &progress).await {
            Ok(response) => {
                return relay(&gateway, served, in_flight, response, upgrade, id);
            }
            Err(Failed::Connect(same, error)) => {
                tracing::debug!(instance = target.instance, %error, "no connection");
                last = Some(Complaint::failed(
                    &served.route,
                    &format!("no connection to the instance ({})", error.kind()),
                ));
                tried.push(target.clone());
                request = same;
            }
            Err(Failed::Broken(same, error)) => {
                tracing::debug!(instance = target.instance, %error, "connection broke");
                target.erred();
                let complaint =
                    Complaint::failed(&served.route, "the connection broke before an answer came");
                // A second instance may try; a third would only spread what breaks them.
                let Some(same) = same.filter(|_| !broken) else { return Err(complaint) };
                broken = true;
                last = Some(complaint);
                tried.push(target.clone());
                request = same;
            }
            Err(Failed::Late) => {
                target.erred();
                return Err(Complaint::late(&served.route));
            }
        }
    }
    Err(last.unwrap_or_else(|| Complaint::bad_request("The route table changes too quickly.")))
}

/// Hands an instance's answer on.
fn relay(
    gateway: &Arc<Gateway>,
    served: &Served,
    in_flight: Arc<InFlight>,
    mut response: Response<Incoming>,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
    id: &HeaderValue,
) -> Result<Response<Answer>, Complaint> {
    let target = in_flight.target();
    if response.status().is_server_error() {
        target.erred();
    }
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switched {
        let Some(client) = upgrade else {
            target.erred();
            return Err(Complaint::failed(
                &served.route,
                "it changed the protocol without being asked",
            ));
        };
        let instance = hyper::upgrade::on(&mut response);
        gateway.tasks.spawn(tunnel::join(client, instance, in_flight.clone()));
    }
    let (mut parts, body) = response.into_parts();
    headers::to_client(&mut parts.headers, id, switched);
    let mut out = Response::new(Answer::Relayed { inner: body, _in_flight: in_flight });
    *out.status_mut() = parts.status;
    *out.headers_mut() = parts.headers;
    Ok(out)
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
    let text = match (request.uri().authority(), header) {
        (Some(authority), _) => authority.as_str().to_string(),
        (None, Some(header)) => header
            .to_str()
            .map_err(|_| Complaint::bad_request("The Host header is not readable."))?
            .to_string(),
        (None, None) if request.version() == Version::HTTP_11 => {
            return Err(Complaint::bad_request("There is no Host header."));
        }
        (None, None) => String::new(),
    };
    let plain = text.len() <= 255
        && text.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        });
    if plain {
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
