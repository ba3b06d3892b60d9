//! `GET /api/v1/certificates`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;
use tow_record::{CertificateFacts, CertificateSource};

/// The certificate of a host, without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateView {
    /// The host; `*.example.org` for all below.
    pub host: String,
    /// What the certificate says; none where there is none yet.
    pub facts: Option<CertificateFacts>,
    /// Where it is from.
    pub source: CertificateSource,
    /// Of the one that is shown: `good`, `expired`, `not-yet`. Where there is none yet: `ordered` (it is under way) or
    /// `failing` (it is not made).
    pub state: String,
    /// Why the first one, or the next, is not made yet; empty where that is not so.
    #[serde(default)]
    pub reason: String,
    /// When the authority is asked the next time.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// Who brought it.
    #[serde(default)]
    pub added_by: String,
}

/// By host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All that are kept or ordered. Those of names of this machine are made by the gateway when they are asked for.
    pub items: Vec<CertificateView>,
}

endpoint!(ListCertificates, "certificate.list", Get "/api/v1/certificates", 200, Govern,
    path: Nothing, query: Nothing, body: Nothing, reply: Reply,
    "The certificates that the gateway shows, without their keys, and those that are ordered.");
