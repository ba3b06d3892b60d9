//! What happens to headers on their way through: what belongs to one connection stays there, what tells the instance
//! about the client is ours to say, and the platform's own cookie is never shown.

use crate::access;
use crate::forwarded::Way;
use crate::pen::Pen;
use crate::trace::{Trace, random};
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use std::net::{IpAddr, SocketAddr};

/// Cookies of the portal. Cookies ignore ports, so a browser sends them to every workload of this machine too.
const OURS: [&str; 2] = ["tow_session", "__Host-tow_session"];

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// What is said of a client, by whatever name.
const FORWARDS: [&str; 6] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "forwarded",
    "x-real-ip",
];
/// What is about one connection, whether `Connection` names it or not.
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];
/// As many as a request is given at most.
const GIVEN: usize = 12;

/// Headers that mean nothing, or harm, behind a body.
const IN_HEADS: [&str; 16] = [
    "age",
    "authorization",
    "cache-control",
    "cookie",
    "date",
    "expect",
    "expires",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "set-cookie",
    "trailer",
    "vary",
    "x-request-id",
];

/// The protocol that a message wants to go on with, if that is one we pass: `websocket`. HTTP/2 is none: behind it
/// requests would pass by the table.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let named = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE)?;
    let h2 = protocol.to_str().map_or(true, |text| {
        text.split(',').any(|p| p.trim().to_ascii_lowercase().starts_with("h2"))
    });
    (named && !h2).then(|| protocol.clone())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Takes away what is about one connection only, and whatever `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| token.parse().ok())
        // A client may not have these taken away: they say what the message is and for whom.
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING)
        .collect();
    for name in named {
        headers.remove(name);
    }
    remove_all(headers, |name| HOP_BY_HOP.contains(name));
}

/// Takes away those of these names. One look at each that is there costs less than asking for each that might be.
fn remove_all(headers: &mut HeaderMap, is_meant: impl Fn(&HeaderName) -> bool) {
    let meant: Vec<HeaderName> = headers.keys().filter(|name| is_meant(name)).cloned().collect();
    for name in meant {
        headers.remove(name);
    }
}

/// Does the client take trailers?
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// What the gateway knows of a request beside its head.
pub(crate) struct Known<'a> {
    pub(crate) way: &'a Way,
    pub(crate) local: SocketAddr,
    /// As the client wrote it; empty where it wrote none.
    pub(crate) host: &'a str,
    pub(crate) request: &'a HeaderValue,
    pub(crate) trace: &'a Trace,
    /// The length of the body is not known.
    pub(crate) chunked: bool,
    /// It came by HTTP/2.
    pub(crate) http2: bool,
}

/// Makes a client's headers into what an instance is sent.
pub(crate) fn to_instance(headers: &mut HeaderMap, known: &Known<'_>, pen: &mut Pen) {
    let upgrade = wants_upgrade(headers);
    let trailers = takes_trailers(headers);
    strip_hop_by_hop(headers);
    // The gateway itself says `100 Continue` as soon as an instance takes the body.
    headers.remove(EXPECT);
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if known.chunked {
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if known.http2 {
        join_cookies(headers);
    }
    hide_cookies(headers, &OURS);
    headers.reserve(GIVEN);
    forwarded(headers, known, pen);
    headers.insert(X_REQUEST_ID, known.request.clone());
    known.trace.hand_on(headers);
}

/// HTTP/2 may say cookies one by one; HTTP/1.1 may not (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Says who asks and what for. What a client says of itself is gone; what trusted proxies say is in `way`.
fn forwarded(headers: &mut HeaderMap, known: &Known<'_>, pen: &mut Pen) {
    remove_all(headers, |name| {
        let name = name.as_str();
        // Programs that take `_` for `-` would take these for the others.
        FORWARDS.contains(&name)
            || name.contains('_') && FORWARDS.contains(&name.replace('_', "-").as_str())
    });
    let way = known.way;
    let host = way.host.as_deref().unwrap_or(known.host);
    for (at, address) in way.addresses.iter().enumerate() {
        pen.text(if at > 0 { ", " } else { "" }).address(*address);
    }
    insert(headers, X_FORWARDED_FOR, pen.value());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(way.proto));
    insert(headers, X_FORWARDED_PORT, pen.number(port(known, host)).value());
    for (at, address) in way.addresses.iter().enumerate() {
        pen.text(if at > 0 { ", for=" } else { "for=" });
        match address {
            IpAddr::V4(_) => pen.address(*address),
            IpAddr::V6(_) => pen.text("\"[").address(*address).text("]\""),
        };
        if at > 0 {
            continue;
        }
        if !host.is_empty() {
            pen.text(";host=\"").text(host).text("\"");
        }
        pen.text(";proto=").text(way.proto);
    }
    insert(headers, FORWARDED, pen.value());
    // As the client wrote it, mostly.
    let same = |value: &HeaderValue, text: &str| value.as_bytes() == text.as_bytes();
    let mut asked = headers.get(HOST).filter(|value| same(value, known.host)).cloned();
    if asked.is_none() {
        asked = if known.host.is_empty() {
            let local = known.local;
            match local.ip() {
                IpAddr::V4(ip) => pen.address(ip.into()),
                IpAddr::V6(ip) => pen.text("[").address(ip.into()).text("]"),
            };
            pen.text(":").number(local.port()).value()
        } else {
            pen.text(known.host).value()
        };
        insert(headers, HOST, asked.clone());
    }
    if !host.is_empty() {
        let as_asked = asked.filter(|value| same(value, host));
        insert(headers, X_FORWARDED_HOST, as_asked.or_else(|| pen.text(host).value()));
    }
}

/// The port that was asked for: that of the host, or the one that its protocol has where the host names none.
fn port(known: &Known<'_>, host: &str) -> u16 {
    let named = || host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    known.way.port.or_else(named).unwrap_or(match known.way.proto {
        _ if host.is_empty() => known.local.port(),
        "https" => 443,
        _ => 80,
    })
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    // Hosts were checked before; what can't be written is left out rather than sent wrong.
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// The client's request id if it is harmless in logs and pages, else a fresh one.
pub(crate) fn request_id(headers: &HeaderMap, pen: &mut Pen) -> HeaderValue {
    let given = headers.get(X_REQUEST_ID).filter(|value| {
        (1..=128).contains(&value.len())
            && value
                .as_bytes()
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    });
    match given {
        Some(value) => value.clone(),
        None => fresh_id(pen),
    }
}

/// An id that sorts by time, as others of ours do; without asking the system for chance, which costs as much as all else
/// that is done to headers.
fn fresh_id(pen: &mut Pen) -> HeaderValue {
    let millis = access::now().0.unsigned_abs() / 1_000;
    pen.text("req-").hex::<12>(millis).hex::<4>(random()).hex::<16>(random());
    pen.value().expect("an id holds letters, digits and dashes only")
}

fn is_named(pair: &[u8], names: &[&str]) -> bool {
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
    names.iter().any(|ours| ours.as_bytes() == name)
}

fn is_ours(pair: &[u8]) -> bool {
    is_named(pair, &OURS)
}

/// The value of the first cookie of this name.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(given, _)| given.trim() == name).map(|(_, value)| value.trim().to_string())
}

/// Takes cookies of these names out of a request.
pub(crate) fn hide_cookies(headers: &mut HeaderMap, names: &[&str]) {
    let found = headers
        .get_all(COOKIE)
        .iter()
        .any(|value| value.as_bytes().split(|b| *b == b';').any(|pair| is_named(pair, names)));
    if !found {
        return;
    }
    let kept: Vec<Vec<u8>> = headers
        .get_all(COOKIE)
        .iter()
        .map(|value| {
            let pairs: Vec<&[u8]> = value
                .as_bytes()
                .split(|b| *b == b';')
                .filter(|pair| !is_named(pair, names))
                .map(<[u8]>::trim_ascii)
                .filter(|pair| !pair.is_empty())
                .collect();
            pairs.join(&b"; "[..])
        })
        .filter(|value| !value.is_empty())
        .collect();
    headers.remove(COOKIE);
    for value in kept {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(COOKIE, value);
        }
    }
}

/// Takes out of trailers what only a head may say (RFC 9110, 6.5.1), and what is about one connection.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    remove_all(trailers, |name| {
        let name = name.as_str();
        IN_HEADS.contains(&name) || FORWARDS.contains(&name) || name.starts_with("content-")
    });
}

/// Makes an instance's headers into what the client is sent. `upgraded`: it is a 101 that the client asked for.
pub(crate) fn to_client(headers: &mut HeaderMap, request: &HeaderValue, upgraded: bool) {
    let protocol = headers.get(UPGRADE).cloned();
    strip_hop_by_hop(headers);
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
    }
    refuse_cookie(headers);
    headers.entry(X_REQUEST_ID).or_insert_with(|| request.clone());
}

/// A workload may not set the platform's cookie either: it would sign people in as somebody of its choice.
fn refuse_cookie(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(|value| is_ours(value.as_bytes())) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|value| !is_ours(value.as_bytes()))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn cookies(given: &[&str]) -> Vec<String> {
        let mut headers = map(&given.iter().map(|v| ("cookie", *v)).collect::<Vec<_>>());
        hide_cookies(&mut headers, &OURS);
        headers.get_all(COOKIE).iter().map(|v| v.to_str().unwrap().to_string()).collect()
    }

    #[test]
    fn the_platforms_cookie_is_hidden_and_no_other() {
        assert_eq!(cookies(&["a=1; tow_session=x; b=2"]), ["a=1; b=2"]);
        assert_eq!(cookies(&["tow_session=x"]), Vec::<String>::new());
        assert_eq!(cookies(&["a=1;tow_session=x", "__Host-tow_session=y"]), ["a=1"]);
        assert_eq!(
            cookies(&["tow_session2=x; a=tow_session=1"]),
            ["tow_session2=x; a=tow_session=1"]
        );
        let mut answer = map(&[("set-cookie", "tow_session=evil; Path=/"), ("set-cookie", "a=1")]);
        to_client(&mut answer, &HeaderValue::from_static("r"), false);
        assert_eq!(answer.get_all(SET_COOKIE).iter().count(), 1);
    }

    #[test]
    fn cookies_of_several_fields_become_one() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn what_connection_names_is_taken_away_but_not_what_the_message_is() {
        let mut headers = map(&[
            ("connection", "close, X-Secret, Host, content-length"),
            ("x-secret", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-kept", "1"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-kept"]);
    }

    #[test]
    fn only_asked_for_and_harmless_upgrades_pass() {
        assert!(
            wants_upgrade(&map(&[("connection", "Upgrade"), ("upgrade", "websocket")])).is_some()
        );
        assert!(wants_upgrade(&map(&[("upgrade", "websocket")])).is_none());
        assert!(wants_upgrade(&map(&[("connection", "upgrade"), ("upgrade", "h2c")])).is_none());
    }

    #[test]
    fn the_port_is_the_hosts_or_that_of_the_protocol() {
        let local = SocketAddr::from(([127, 0, 0, 1], 7080));
        let trace = Trace::of(&HeaderMap::new(), &mut Pen::default());
        let request = HeaderValue::from_static("r");
        for (host, secure, expected) in [
            ("shop.test", true, "443"),
            ("shop.test", false, "80"),
            ("shop.test:8443", true, "8443"),
            ("[::1]", false, "80"),
            ("[::1]:7080", false, "7080"),
            // It asked an address: that is all that is known.
            ("", false, "7080"),
        ] {
            let mut headers = HeaderMap::new();
            let way = Way::of(&headers, SocketAddr::from(([10, 0, 0, 1], 1)), secure, &[]);
            let (chunked, http2) = (false, false);
            let (way, request, trace) = (&way, &request, &trace);
            let known = Known { way, local, host, request, trace, chunked, http2 };
            forwarded(&mut headers, &known, &mut Pen::default());
            assert_eq!(headers[X_FORWARDED_PORT], expected, "{host:?}");
        }
    }

    #[test]
    fn trailers_say_nothing_that_only_a_head_may() {
        let mut trailers = map(&[
            ("x-sum", "1"),
            ("grpc-status", "0"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("host", "a"),
            ("x-forwarded-for", "6.6.6.6"),
            ("set-cookie", "a=1"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
        ]);
        strip_trailers(&mut trailers);
        let mut left: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-sum"]);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = map(&[("cookie", "ab=0; a=1"), ("cookie", "a=2;c = 3 ")]);
        assert_eq!(cookie(&headers, "a").as_deref(), Some("1"));
        assert_eq!(cookie(&headers, "c").as_deref(), Some("3"));
        assert_eq!(cookie(&headers, "b"), None);
    }

    #[test]
    fn request_ids_are_kept_where_they_are_harmless() {
        let mut pen = Pen::default();
        let mut id = |given| request_id(&map(&[("x-request-id", given)]), &mut pen);
        assert_eq!(id("abc-1.2_3:4"), "abc-1.2_3:4");
        for bad in ["", "a b", "<script>", &"x".repeat(129)] {
            let id = id(bad);
            assert!(id.to_str().unwrap().starts_with("req-") && id.len() == 36, "{bad}");
        }
    }
}
