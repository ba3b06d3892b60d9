//! Whom the client believes: the machine's roots, and a certificate authority of one's own. On ring, without installing
//! anything for the whole process.

use crate::ClientError;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::path::Path;
use std::sync::Arc;

/// Whom to believe beside the machine's roots. Only asked over https.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    more: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The certificates of a PEM file, too.
    pub fn file(path: &Path) -> Result<Self, ClientError> {
        let bad = |reason: String| ClientError::Ca { path: path.display().to_string(), reason };
        let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let more = read.map_err(|_| bad("it is not PEM".into()))?;
        if more.is_empty() {
            return Err(bad("there is no certificate in it".into()));
        }
        // One that makes no root would otherwise be found out at the first call, as a stranger's certificate.
        let mut roots = RootCertStore::empty();
        for one in &more {
            roots.add(one.clone()).map_err(|error| bad(error.to_string()))?;
        }
        Ok(Self { more })
    }

    /// The set-up for https; for plain http the same with nobody in it, because reading the machine's roots takes a
    /// while.
    pub(crate) fn config(&self, https: bool) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        if https {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots.add_parsable_certificates(self.more.iter().cloned());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(config)
    }
}
