//! Where the platform and its gateway listen: what was asked for, else the usual port or the next free one.

use crate::error::HostError;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tow_platform::Adapters;

/// Where the API listens unless told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:7070";
/// Where the gateway listens unless told otherwise.
pub(crate) const GATEWAY: &str = "127.0.0.1:7080";
/// Where its HTTPS listens unless told otherwise.
const HTTPS: &str = "127.0.0.1:7443";
/// So many ports after the usual one are tried.
const NEXT_PORTS: u16 = 20;

/// The listeners of API and portal, bound.
pub(super) async fn listeners(wanted: Option<&str>) -> Result<Vec<TcpListener>, HostError> {
    let text = wanted.unwrap_or(LISTEN);
    let address = parse(text)?;
    let mut listeners = vec![bind(address, wanted.is_some()).await?];
    let bound = listeners[0].local_addr().map_err(|e| taken(text, &e))?;
    // Some clients ask ::1 for localhost first.
    if bound.ip().is_loopback() && bound.is_ipv4() {
        let other = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, bound.port()));
        listeners.extend(TcpListener::bind(other).await.ok());
    }
    Ok(listeners)
}

async fn bind(address: SocketAddr, explicit: bool) -> Result<TcpListener, HostError> {
    let mut last = None;
    for port in ports(address.port(), explicit) {
        match TcpListener::bind(SocketAddr::new(address.ip(), port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let why = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(taken(&address.to_string(), &why))
}

fn ports(first: u16, explicit: bool) -> std::ops::RangeInclusive<u16> {
    let more = if explicit || first == 0 { 0 } else { NEXT_PORTS };
    first..=first.saturating_add(more)
}

/// The gateway's addresses, plain and TLS: bound by its shim later, so free ones are looked for now, unless it runs
/// already. TLS is left out where it is not wanted; where nothing is said it is on the loopback device.
pub(super) async fn gateway(
    wanted: Option<&str>,
    https: Https<'_>,
) -> Result<Vec<String>, HostError> {
    let plain = match wanted {
        Some(text) => parse(text)?,
        None => free(parse(GATEWAY)?).await,
    };
    let secure = match https {
        Https::Off => return Ok(vec![plain.to_string()]),
        Https::At(text) => parse(text)?,
        // Whoever wants any port wants any here, too.
        Https::Usual if plain.port() == 0 => SocketAddr::new(plain.ip(), 0),
        Https::Usual => free(parse(HTTPS)?).await,
    };
    Ok(vec![plain.to_string(), format!("https={secure}")])
}

/// What was said of HTTPS.
#[derive(Debug, Clone, Copy)]
pub(super) enum Https<'a> {
    Off,
    At(&'a str),
    Usual,
}

/// The address, or the same with the next free port; itself where none is.
async fn free(address: SocketAddr) -> SocketAddr {
    for port in ports(address.port(), false) {
        let candidate = SocketAddr::new(address.ip(), port);
        if TcpListener::bind(candidate).await.is_ok() {
            return candidate;
        }
    }
    address
}

/// The gateway's shim is the one that binds, later and out of sight: what is in its way is said now. A gateway that runs
/// already has its address.
pub(super) async fn gateway_can_listen(
    listen: &[String],
    adapters: &Adapters,
) -> Result<(), HostError> {
    let Some(own) = adapters.gateway.as_ref().map(|spec| &spec.id) else { return Ok(()) };
    let seen = adapters.runtime.observe().await.unwrap_or_default();
    if seen.iter().any(|seen| seen.id == *own && seen.may_run()) {
        return Ok(());
    }
    for address in listen {
        let address = address.rsplit('=').next().unwrap_or(address);
        if let Err(why) = TcpListener::bind(address).await {
            return Err(taken(address, &why));
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<SocketAddr, HostError> {
    text.parse().map_err(|_| {
        HostError::new("host/address", format!("{text:?} is not an address"))
            .hint("an IP address and a port, as in 127.0.0.1:7070 or [::1]:0")
            .exits(2)
    })
}

fn taken(address: &str, why: &std::io::Error) -> HostError {
    HostError::new("host/port-in-use", format!("{address}: {why}"))
        .untouched("everything")
        .hint("choose another with --listen, --gateway or --https; port 0 picks a free one")
}

/// A gateway that outlived its control plane keeps its addresses, plain and TLS: asked for others, it must be stopped
/// first.
pub(super) fn refuse_elsewhere(
    wanted: Option<&str>,
    https: Https<'_>,
    bound: &[String],
) -> Result<(), HostError> {
    let elsewhere = |what: &str, here: &str, wanted: &str| {
        HostError::new("host/gateway", format!("the gateway {what} at {here} already, {wanted}"))
            .untouched("workloads and gateway, which go on serving")
            .hint("tow down stops it; then tow up takes the new address")
            .exits(5)
    };
    let differs = |wanted: SocketAddr, here: &String| {
        wanted.port() != 0 && here.parse::<SocketAddr>().is_ok_and(|here| here != wanted)
    };
    if let (Some(wanted), Some(here)) = (wanted.map(parse).transpose()?, bound.first())
        && differs(wanted, here)
    {
        return Err(elsewhere("serves", here, &format!("not at {wanted}")));
    }
    let Some(here) = bound.get(1) else { return Ok(()) };
    match https {
        Https::Off => Err(elsewhere("speaks HTTPS", here, "and was to speak none")),
        Https::At(wanted) if differs(parse(wanted)?, here) => {
            Err(elsewhere("speaks HTTPS", here, &format!("not at {wanted}")))
        }
        Https::At(_) | Https::Usual => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_listens_elsewhere_is_not_taken_for_the_one_that_is_wanted() {
        let bound = ["127.0.0.1:7080".to_string(), "127.0.0.1:7443".to_string()];
        let refused = |wanted, https, bound: &[String]| {
            refuse_elsewhere(wanted, https, bound).err().map(|error| error.detail().to_string())
        };
        for (wanted, https) in [
            (None, Https::Usual),
            (Some("127.0.0.1:7080"), Https::At("127.0.0.1:7443")),
            (Some("127.0.0.1:0"), Https::At("127.0.0.1:0")),
        ] {
            assert_eq!(refused(wanted, https, &bound), None, "{wanted:?} {https:?}");
        }
        assert_eq!(refused(None, Https::Off, &bound[..1]), None);
        for (wanted, https, says) in [
            (Some("127.0.0.1:80"), Https::Usual, "serves at 127.0.0.1:7080 already, not at"),
            (None, Https::At("127.0.0.1:443"), "HTTPS at 127.0.0.1:7443 already, not at"),
            (None, Https::Off, "HTTPS at 127.0.0.1:7443 already, and was to speak none"),
        ] {
            let why = refused(wanted, https, &bound).unwrap_or_default();
            assert!(why.contains(says), "{why}");
        }
    }
}
