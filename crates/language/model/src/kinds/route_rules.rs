//! What a route does with requests beside handing them on: time, size, tries and redirects. Said in `tow.yaml`, by the
//! workload and the route's name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Duration, Memory};

/// Rules of one route. What is left out follows from the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRules {
    /// From the last piece of a request to the head of its answer; one minute where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long a connection whose protocol was changed, or a body, may be silent; without end where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// How large a request's body may be, as in `10Mi`; without bound where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub body: Option<String>,
    /// How many other instances a request that can be repeated without harm is sent to after a first one broke it off; 1
    /// where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3))]
    pub retries: Option<u32>,
    /// What its instances speak; HTTP/1.1 where nothing is said. gRPC needs `h2c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Spoken>,
    /// Requests over plain HTTP are led to HTTPS, where the route's host has a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<bool>,
    /// Paths that are led elsewhere, instead of to an instance: by the path asked for, exactly, or with `/*` at its end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redirects: BTreeMap<String, Redirect>,
}

/// What instances speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spoken {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS and without asking first.
    H2c,
}

/// Where a request is led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// A path of the same host, or a whole URL; a `*` at its end is what the `*` of the asked path stands for.
    #[schemars(length(min = 1))]
    pub to: String,
    /// 301, 302, 303, 307 or 308; 308 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl RouteRules {
    /// Nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The bound of a body in bytes.
    pub fn body_bytes(&self) -> Option<u64> {
        self.body.as_deref()?.parse::<Memory>().ok().map(|size| size.0)
    }
}
