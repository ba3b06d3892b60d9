//! As whom the platform answers, and whose word about a caller's address counts.

use tow_platform::{Network, ServerConfig};

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Doors {
    /// A host name under which API and portal answer beside localhost; repeatable
    #[arg(
        long = "host",
        value_name = "NAME",
        env = "TOW_HOSTS",
        hide_env = true,
        value_delimiter = ','
    )]
    hosts: Vec<String>,
    /// An address or network of proxies in front, whose X-Forwarded-For is believed; repeatable
    #[arg(
        long = "trust-proxy",
        value_name = "CIDR",
        env = "TOW_TRUST_PROXY",
        hide_env = true,
        value_delimiter = ','
    )]
    proxies: Vec<Network>,
}

impl Doors {
    /// For the server.
    pub(super) fn config(&self) -> ServerConfig {
        ServerConfig {
            hosts: self.hosts.clone(),
            proxies: self.proxies.clone(),
            ..ServerConfig::default()
        }
    }
}
