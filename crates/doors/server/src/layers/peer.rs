//! Where a request comes from: the address of the connection, or, behind a proxy that is trusted by configuration, the
//! one that proxy wrote down. Anybody can write `X-Forwarded-For`; only a trusted proxy's word counts.

use crate::ServerConfig;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tow_app::Caller;
use tow_names::Network;

/// Notes it for those further in.
pub(super) async fn peer(
    State(config): State<Arc<ServerConfig>>,
    mut request: Request,
    next: Next,
) -> Response {
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = connection.map(|peer| said(&config.proxies, peer, request.headers()));
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.address = address.map(|address| address.to_string());
    }
    next.run(request).await
}

/// From the right, past trusted proxies, to the first address that nobody trusted wrote.
fn said(trusted: &[Network], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for said in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(address) {
            break;
        }
        match said.trim().parse::<IpAddr>() {
            Ok(before) => address = before.to_canonical(),
            Err(_) => break,
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_is_behind_it() {
        let headers = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            headers
        };
        let trusted = [network("10.0.0.0/8")];
        let ask = |peer: &str, lines: &[&'static str]| {
            said(&trusted, peer.parse().unwrap(), &headers(lines)).to_string()
        };
        assert_eq!(ask("203.0.113.9", &["198.51.100.1"]), "203.0.113.9", "a stranger's word");
        assert_eq!(ask("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(ask("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(ask("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(ask("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", &[]), "10.0.0.1");
    }
}
