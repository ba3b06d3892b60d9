//! What a certificate says, and whether what came with it fits: the chain, the key. For people who bring one, so each
//! refusal says which certificate of the file is meant.

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tow_names::{Digest, Timestamp};
use tow_ports::PortError;
use tow_record::CertificateFacts;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// More certificates than any chain has.
const MOST: usize = 16;

pub(crate) fn read(chain: &str, key: Option<&str>) -> Result<CertificateFacts, PortError> {
    facts(chain, key).map_err(PortError::Refused)
}

fn facts(chain: &str, key: Option<&str>) -> Result<CertificateFacts, String> {
    // Some keep both in one file. A chain is shown to everybody and kept as it is; a key is sealed.
    if PrivateKeyDer::from_pem_slice(chain.as_bytes()).is_ok() {
        return Err(
            "there is a private key beside the certificates: it belongs into a file of its \
                    own"
            .into(),
        );
    }
    let ders: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .take(MOST)
        .collect::<Result<_, _>>()
        .map_err(|err| format!("the certificate is not PEM: {err}"))?;
    let parsed: Vec<X509Certificate<'_>> = ders
        .iter()
        .enumerate()
        .map(|(number, der)| match X509Certificate::from_der(der) {
            Ok((_, parsed)) => Ok(parsed),
            Err(err) => {
                Err(format!("certificate {} of the chain is not readable: {err}", number + 1))
            }
        })
        .collect::<Result<_, _>>()?;
    let (Some(first), Some(der)) = (parsed.first(), ders.first()) else {
        return Err("there is no certificate in it".into());
    };
    for (number, pair) in parsed.windows(2).enumerate() {
        if pair[0].verify_signature(Some(pair[1].public_key())).is_err() {
            return Err(format!(
                "certificate {} of the chain, {}, is not signed by the one after it, {}",
                number + 1,
                pair[0].subject(),
                pair[1].subject()
            ));
        }
    }
    if let Some(key) = key {
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|err| format!("the key is not PEM of a private key: {err}"))?;
        CertifiedKey::from_der(ders.clone(), key, &default_provider())
            .map_err(|err| format!("the key does not fit the first certificate: {err}"))?;
    }
    Ok(CertificateFacts {
        names: names(first)?,
        issuer: common_name(first),
        from: Timestamp(first.validity().not_before.timestamp().saturating_mul(1_000_000)),
        until: Timestamp(first.validity().not_after.timestamp().saturating_mul(1_000_000)),
        fingerprint: Digest::of(der.as_ref()).hex().to_string(),
    })
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    let issuer = certificate.issuer();
    let name = issuer.iter_common_name().next().and_then(|name| name.as_str().ok());
    name.map_or_else(|| issuer.to_string(), ToString::to_string)
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|err| format!("its names are not readable: {err}"))?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let ip = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
        _ => None,
    };
    Ok(names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => ip(bytes),
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::make;

    #[test]
    fn what_was_made_is_read() {
        let now = Timestamp(1_700_000_000_000_000);
        let made = make::authority("Towpath here", now).unwrap();
        let facts = read(&made.chain, Some(&made.key)).unwrap();
        assert_eq!(facts.issuer, "Towpath here");
        assert!(facts.from < now && facts.until > now && facts.names.is_empty());
        assert_eq!(facts.fingerprint.len(), 64);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let now = Timestamp(1_700_000_000_000_000);
        let (one, other) = (make::authority("a", now).unwrap(), make::authority("b", now).unwrap());
        let why = |chain: &str, key: Option<&str>| read(chain, key).unwrap_err().to_string();
        assert!(why(&one.chain, Some(&other.key)).contains("does not fit"));
        assert!(why(&one.chain, Some("nonsense")).contains("private key"));
        assert!(why("", None).contains("no certificate"));
        let both = format!("{}{}", one.chain, other.chain);
        assert!(why(&both, None).contains("is not signed by the one after it"));
        for together in [
            format!("{}{}", one.chain, one.key),
            format!("{}{}", one.key, one.chain),
            format!("{}{}", one.chain, one.key.replace("PRIVATE KEY", "EC PRIVATE KEY")),
        ] {
            assert!(why(&together, Some(&one.key)).contains("private key beside"), "{together}");
        }
    }
}
