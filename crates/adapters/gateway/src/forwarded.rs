//! The way a request came: its client, and the proxies between that are trusted. Only who connects from a trusted network
//! is believed what it says of others; everybody else is the client, whatever it says.

use crate::headers::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO};
use http::header::{FORWARDED, HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};
use tow_names::Network;

/// More proxies are not looked through.
const MOST: usize = 32;

/// See the top of this file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// From the client to whoever connected; never empty.
    pub(crate) addresses: Vec<IpAddr>,
    /// How the client asked: `http` or `https`.
    pub(crate) proto: &'static str,
    /// What the client asked for, where that was another host than the one that came here.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

impl Way {
    /// Of a request with these headers, from `peer`, by TLS or not.
    pub(crate) fn of(
        headers: &HeaderMap,
        peer: SocketAddr,
        secure: bool,
        trusted: &[Network],
    ) -> Self {
        let peer = peer.ip().to_canonical();
        let proto = if secure { "https" } else { "http" };
        let mut way = Self { addresses: vec![peer], proto, host: None, port: None };
        let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        if !trusts(peer) {
            return way;
        }
        let mut said: Vec<Option<IpAddr>> = list(headers, &X_FORWARDED_FOR).map(address).collect();
        let mut elements = Vec::new();
        if said.is_empty() {
            elements = list(headers, &FORWARDED).collect();
            said = elements.iter().map(|element| address(part(element, "for")?)).collect();
        }
        // From the nearest one on, as long as it is believed; an address that can't be read is nobody's.
        for address in said.iter().rev().take(MOST) {
            let Some(address) = address else { break };
            way.addresses.insert(0, *address);
            if !trusts(*address) {
                break;
            }
        }
        // Said by the nearest proxy of what it was asked: with one value for the whole way, the first that it knows.
        let first = said.len().saturating_sub(way.addresses.len().saturating_sub(1));
        let element = elements.get(first).copied().unwrap_or_default();
        let one = |name: &HeaderName, key: &str| {
            list(headers, name).next().or_else(|| part(element, key)).map(str::to_string)
        };
        match one(&X_FORWARDED_PROTO, "proto").map(|text| text.to_ascii_lowercase()).as_deref() {
            Some("https" | "wss") => way.proto = "https",
            Some("http" | "ws") => way.proto = "http",
            _ => {}
        }
        way.host = one(&X_FORWARDED_HOST, "host").filter(|host| is_host(host));
        way.port = one(&X_FORWARDED_PORT, "").and_then(|port| port.parse().ok());
        way
    }

    /// Whose request it is.
    pub(crate) fn client(&self) -> IpAddr {
        self.addresses[0]
    }
}

/// The members of a header that is a list.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|member| !member.is_empty())
}

/// The value of a parameter in an element of `Forwarded`.
fn part<'a>(element: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(key))?.1.trim();
    Some(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let in_brackets = || text.strip_prefix('[')?.split(']').next()?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    plain.or_else(in_brackets).or_else(with_port).map(|address| address.to_canonical())
}

/// May it be handed on as a host?
pub(crate) fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port_fits = port.is_none_or(|port| {
        port.is_empty()
            || (port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()))
                && port.parse::<u16>().is_ok()
    });
    let plain = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    };
    let name_fits = match name.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
        }
        None => plain(name),
    };
    text.len() <= 255 && port_fits && name_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(peer: &str, said: &[(&'static str, &str)]) -> Way {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        Way::of(&headers, SocketAddr::new(peer.parse().unwrap(), 1), false, &trusted)
    }

    fn addresses(peer: &str, said: &[(&'static str, &str)]) -> String {
        let way = way(peer, said);
        way.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, said, expected) in [
            ("9.9.9.9", "6.6.6.6", "9.9.9.9"),
            ("10.0.0.1", "1.2.3.4", "1.2.3.4 10.0.0.1"),
            // What stands before the first stranger is the stranger's word.
            ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4 10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4 10.0.0.2 10.0.0.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3 10.0.0.2 10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, unknown", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::7]:80, 10.0.0.2:99", "2001:db8::7 10.0.0.2 10.0.0.1"),
            ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4 10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            assert_eq!(addresses(peer, &[("x-forwarded-for", said)]), expected, "{said}");
        }
        let long = vec!["10.0.0.2"; 100].join(",");
        assert_eq!(way("10.0.0.1", &[("x-forwarded-for", &long)]).addresses.len(), MOST + 1);
    }

    #[test]
    fn both_ways_to_say_it_are_read() {
        let said = "for=6.6.6.6;proto=http, For=\"1.2.3.4:5\";Proto=https;host=\"a.test:8\"";
        let seen = way("10.0.0.1", &[("forwarded", said)]);
        assert_eq!(seen.client(), "1.2.3.4".parse::<IpAddr>().unwrap());
        assert_eq!((seen.proto, seen.host.as_deref()), ("https", Some("a.test:8")));
        let seen = way(
            "10.0.0.1",
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "b.test"),
                ("x-forwarded-port", "443"),
            ],
        );
        assert_eq!(
            (seen.proto, seen.host.as_deref(), seen.port),
            ("https", Some("b.test"), Some(443))
        );
        let odd = way("10.0.0.1", &[("x-forwarded-host", "a/b"), ("x-forwarded-proto", "gopher")]);
        assert_eq!((odd.proto, odd.host), ("http", None));
        let stranger = way("9.9.9.9", &[("x-forwarded-proto", "https"), ("x-forwarded-host", "b")]);
        assert_eq!((stranger.proto, stranger.host), ("http", None));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in ["a.test", "a-b_c.test:80", "[::1]", "[::1]:80", "1.2.3.4:5", "a.test:", ""] {
            assert!(is_host(good), "{good}");
        }
        for bad in
            ["a b", "a/b", "u@a", "a:b", "a:99999", "a:1:2", "::1", "[::1", "[a]", "a]", "a,b"]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
