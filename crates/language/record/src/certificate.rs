//! Certificates: those that people gave or a certificate authority made, the platform's own authority for names of this
//! machine, the account and the orders at an authority outside, and what the gateway is told of all of them. Keys are
//! sealed wherever they are kept; the set for the gateway alone holds them plain. Decides nothing.

use crate::{Record, Sealed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::Timestamp;

/// Where a certificate is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CertificateSource {
    /// Somebody gave it: they renew it, too.
    Given,
    /// Ordered by ACME, and renewed by the platform.
    Acme,
    /// Made by the platform's own authority for names of this machine, when first asked for.
    Local,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateFacts {
    /// The hosts it is for; wildcards as they are written in it.
    pub names: Vec<String>,
    /// Who made it.
    pub issuer: String,
    /// Not valid before.
    pub from: Timestamp,
    /// Not valid after.
    pub until: Timestamp,
    /// SHA-256 of the certificate itself, in hex.
    pub fingerprint: String,
}

/// The certificate of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The host it is shown for, in lower case; `*.example.org` for all below.
    pub host: String,
    /// What it says.
    pub facts: CertificateFacts,
    /// Where it is from.
    pub source: CertificateSource,
    /// PEM: the certificate, then those that lead to a root.
    pub chain: String,
    /// PEM of its private key.
    pub key: Sealed,
    /// Who brought it.
    pub added_by: String,
    /// When.
    pub added_at: Timestamp,
}

impl Certificate {
    /// What its key is sealed under. Part of what is stored: a change makes every key unreadable.
    pub fn context(host: &str) -> String {
        format!("certificate {host}")
    }

    /// When two thirds of its life are over: then another one is due.
    pub fn due(&self) -> Timestamp {
        let life = self.facts.until.since(self.facts.from).micros();
        self.facts.from.plus(tow_names::Duration::from_micros(life / 3 * 2))
    }
}

impl Record for Certificate {
    const KIND: &'static str = "certificate";
    fn id(&self) -> String {
        self.host.clone()
    }
    fn subject(&self) -> String {
        self.host.clone()
    }
}

/// The platform's own certificate authority. Good for names of this machine and nothing else, and its certificate says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// What it is called in lists of authorities.
    pub name: String,
    /// What its certificate says.
    pub facts: CertificateFacts,
    /// PEM of its certificate.
    pub chain: String,
    /// PEM of its private key.
    pub key: Sealed,
}

impl Authority {
    /// There is one.
    pub const ID: &'static str = "local";
    /// What its key is sealed under. Part of what is stored: a change makes the key unreadable.
    pub const CONTEXT: &'static str = "certificate authority";
}

impl Record for Authority {
    const KIND: &'static str = "authority";
    fn id(&self) -> String {
        Self::ID.into()
    }
    fn subject(&self) -> String {
        String::new()
    }
}

/// The account at an authority outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeAccount {
    /// Of the authority's directory.
    pub directory: String,
    /// Credentials, as the client that made them wants them back.
    pub credentials: Sealed,
}

impl AcmeAccount {
    /// What its credentials are sealed under. Part of what is stored: a change makes them unreadable.
    pub fn context(directory: &str) -> String {
        format!("acme account {directory}")
    }
}

impl Record for AcmeAccount {
    const KIND: &'static str = "acme-account";
    fn id(&self) -> String {
        self.directory.clone()
    }
    fn subject(&self) -> String {
        String::new()
    }
}

/// How far the order of a host's certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum AcmeStage {
    /// None is under way: one begins when it is due.
    #[default]
    Due,
    /// The authority is to see an answer under the host.
    Proving {
        /// The order's own address.
        order: String,
        /// By the challenge's token: what is answered.
        answers: BTreeMap<String, String>,
        /// The authority was told to look.
        told: bool,
        /// PEM of the private key that the certificate is to be for.
        key: Sealed,
    },
}

/// The order of a host's certificate: what is under way, and how it went so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeOrder {
    /// The host.
    pub host: String,
    /// The authority's directory.
    pub directory: String,
    /// How far it is.
    pub stage: AcmeStage,
    /// Tries in a row that came to nothing.
    pub failures: u32,
    /// When what is under way began.
    pub began: Timestamp,
    /// Nothing is asked before then.
    pub next_at: Timestamp,
    /// Why the last try came to nothing; empty where none did.
    pub reason: String,
}

impl AcmeOrder {
    /// What the key of one under way is sealed under. Part of what is stored: a change makes it unreadable.
    pub fn context(host: &str) -> String {
        format!("acme order {host}")
    }
}

impl Record for AcmeOrder {
    const KIND: &'static str = "acme-order";
    fn id(&self) -> String {
        self.host.clone()
    }
    fn subject(&self) -> String {
        self.host.clone()
    }
}

/// A certificate with its key, as the gateway needs it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServedCertificate {
    /// The host it is shown for; the authority's name where it is the authority's.
    pub host: String,
    /// PEM.
    pub chain: String,
    /// PEM.
    pub key: String,
    /// Not shown after.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl std::fmt::Debug for ServedCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedCertificate").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Everything that the gateway shows to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CertificateSet {
    /// Of whoever says so.
    pub epoch: i64,
    /// Told again by the gateway while this set is served.
    pub version: String,
    /// Certificates.
    pub certificates: Vec<ServedCertificate>,
    /// The authority that makes certificates for names of this machine.
    #[serde(default)]
    pub authority: Option<ServedCertificate>,
    /// Answers of ACME's HTTP-01, by token.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
}
