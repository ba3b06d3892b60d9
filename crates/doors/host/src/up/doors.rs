//! As whom the platform answers, and whose word about a caller's address counts.

use tow_names::Network;
use tow_platform::ServerConfig;

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
    /// A network of proxies in front of gateway, API and portal, whose word of who asks is believed; repeatable
    #[arg(
        long = "trusted-proxy",
        value_name = "NETWORK",
        env = "TOW_TRUSTED_PROXY",
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

    /// For the gateway.
    pub(super) fn proxies(&self) -> Vec<Network> {
        self.proxies.clone()
    }
}
