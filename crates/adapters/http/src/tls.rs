//! TLS with the system's roots, on ring. The provider is named here and not installed for the whole process, so that no
//! order of starting things matters.

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::Arc;

/// As every program of this machine trusts; `more` are certificates in DER that are trusted beside.
pub(crate) fn config(more: &[Vec<u8>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // Single certificates of the system that can't be read are left out, as others leave them out too.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(more.iter().map(|der| der.clone().into()));
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
