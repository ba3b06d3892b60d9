//! `PUT /api/v1/certificates/{host}`.

use super::list::CertificateView;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// The host; `*.example.org` for all below.
    pub host: String,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// PEM: the certificate of the host, then those that lead to a root.
    pub chain: String,
    /// PEM of its private key. Sealed before it is kept, and never shown.
    pub key: String,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

endpoint!(AddCertificate, "certificate.add", Put "/api/v1/certificates/{host}", 200, Govern,
    path: Path, query: Nothing, body: Body, reply: CertificateView,
    "Keeps the certificate of a host and has the gateway show it; it takes the place of one that is there.");
