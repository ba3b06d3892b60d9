//! `GET /api/v1/certificate-authority`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_record::CertificateFacts;

/// The platform's own authority, without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// What it is called.
    pub name: String,
    /// What its certificate says.
    pub facts: CertificateFacts,
    /// PEM of its certificate: what is to be trusted.
    pub chain: String,
}

endpoint!(GetAuthority, "certificate.authority", Get "/api/v1/certificate-authority", 200, Read,
    path: Nothing, query: Nothing, body: Nothing, reply: Reply,
    "The platform's own certificate authority, which is good for names of this machine alone; its certificate is no secret.");
