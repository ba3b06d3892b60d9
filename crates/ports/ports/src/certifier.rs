//! Certificates: made, read, and ordered at authorities outside.

use crate::PortError;
use async_trait::async_trait;
use std::collections::BTreeMap;
use tow_names::{Duration, Timestamp};
use tow_record::CertificateFacts;

/// A certificate and its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    /// The certificate, then those that lead to a root.
    pub chain: String,
    /// Plain: to be sealed by whoever keeps it.
    pub key: String,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").finish_non_exhaustive()
    }
}

/// Where certificates are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeSetting {
    /// The address of the authority's directory, https.
    pub directory: String,
    /// Mail addresses that the authority may write to.
    pub contact: Vec<String>,
    /// PEM of a root that the directory's own certificate leads to, where the machine does not know it.
    pub root: Option<String>,
}

/// An order that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ordered {
    /// Its own address.
    pub order: String,
    /// By token: what is to be answered to who asks for it under the host. Empty where the authority believes already.
    pub answers: BTreeMap<String, String>,
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The authority still looks, or makes it.
    Pending,
    /// The chain, PEM.
    Done(String),
}

/// Why an order did not go on. For people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct AcmeError {
    /// In words.
    pub why: String,
    /// The authority itself said no; else it was not reached, and nothing is known to have changed there.
    pub refused: bool,
    /// It does not want to be asked before so long.
    pub again: Option<Duration>,
    /// It does not know the account any more: with another one it may say yes.
    pub no_account: bool,
}

impl AcmeError {
    /// Nobody answered, or nothing that could be read.
    pub fn unreached(why: impl Into<String>) -> Self {
        Self { why: why.into(), refused: false, again: None, no_account: false }
    }

    /// It said no.
    pub fn refused(why: impl Into<String>) -> Self {
        Self { refused: true, ..Self::unreached(why) }
    }
}

/// Makes, reads and orders certificates. Keeps nothing.
#[async_trait]
pub trait Certifier: Send + Sync {
    /// A certificate authority of this name, good for names of this machine alone.
    fn authority(&self, name: &str, now: Timestamp) -> Result<Made, PortError>;
    /// A fresh private key, PEM.
    fn key(&self) -> Result<String, PortError>;
    /// What the first certificate of a chain says. [`PortError::Refused`], in words for whoever brought it, where the
    /// chain is not one or where `key` does not fit. Whether it is good today, and for whom, is not judged.
    fn read(&self, chain: &str, key: Option<&str>) -> Result<CertificateFacts, PortError>;
    /// Makes an account, accepting the authority's terms; credentials to be sealed and given back.
    async fn enroll(&self, setting: &AcmeSetting) -> Result<String, AcmeError>;
    /// Begins an order of a certificate for one host, to be proved over HTTP.
    async fn order(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        host: &str,
    ) -> Result<Ordered, AcmeError>;
    /// Tells the authority that its answers are there. Again does no harm.
    async fn tell(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        order: &str,
    ) -> Result<(), AcmeError>;
    /// How far an order is; asks for the certificate of `key` as soon as it may. Again does no harm.
    async fn look(
        &self,
        setting: &AcmeSetting,
        credentials: &str,
        order: &str,
        host: &str,
        key: &str,
    ) -> Result<Progress, AcmeError>;
}
