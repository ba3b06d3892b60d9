//! The platform's own authority. Its certificate says that it is good for names of this machine alone, so that whoever
//! trusts it does not trust it with anything else, whoever may get hold of its key.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree,
    IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
};
use tow_names::{Duration, Timestamp};
use tow_ports::{Made, PortError};

/// Ten years: nobody is asked twice to trust it.
const LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Clocks of clients may be behind.
const BEFORE: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn time(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.0 / 1_000_000)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

pub(crate) fn authority(name: &str, now: Timestamp) -> Result<Made, PortError> {
    let failed = |err: rcgen::Error| PortError::Refused(format!("no authority was made: {err}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = time(Timestamp(now.0 - BEFORE.micros()));
    params.not_after = time(now.plus(LIFE));
    // It makes certificates of hosts, and no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut loopback = [0; 16];
    loopback[15] = 1;
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".into()),
            GeneralSubtree::DnsName("test".into()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(loopback, 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    let chain = params.self_signed(&key).map_err(failed)?.pem();
    Ok(Made { chain, key: key.serialize_pem() })
}

/// A fresh key, PEM.
pub(crate) fn key() -> Result<String, PortError> {
    let failed = |err: rcgen::Error| PortError::Refused(format!("no key was made: {err}"));
    Ok(KeyPair::generate().map_err(failed)?.serialize_pem())
}

/// What asks an authority to make a certificate of this key for the host.
pub(crate) fn request(host: &str, key: &str) -> Result<Vec<u8>, String> {
    let text = |err: rcgen::Error| err.to_string();
    let key = KeyPair::from_pem(key).map_err(text)?;
    let mut params = CertificateParams::new(vec![host.to_string()]).map_err(text)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&key).map_err(text)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    use x509_parser::extensions::{GeneralName, ParsedExtension};
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    #[test]
    fn the_own_authority_is_good_for_this_machine_alone() {
        let made = authority("Towpath on a machine", Timestamp(1_700_000_000_000_000)).unwrap();
        let one = CertificateDer::from_pem_slice(made.chain.as_bytes()).unwrap();
        let (_, one) = X509Certificate::from_der(&one).unwrap();
        // Whoever makes certificates with it knows it by this name, and by nothing more.
        assert_eq!(one.subject().to_string(), "CN=Towpath on a machine");
        let only = one.extensions().iter().find_map(|one| match one.parsed_extension() {
            ParsedExtension::NameConstraints(only) => Some((only, one.critical)),
            _ => None,
        });
        let (only, is_critical) = only.unwrap();
        let allowed = only.permitted_subtrees.as_ref().unwrap();
        let names: Vec<&str> = allowed
            .iter()
            .filter_map(|one| match one.base {
                GeneralName::DNSName(name) => Some(name),
                _ => None,
            })
            .collect();
        assert!(is_critical, "whoever does not understand it must not trust it");
        assert_eq!((names, allowed.len()), (vec!["localhost", "test"], 4));
        let is_last = one.basic_constraints().unwrap().unwrap().value.path_len_constraint;
        assert_eq!(is_last, Some(0));
    }
}
