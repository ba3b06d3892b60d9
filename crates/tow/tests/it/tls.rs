//! Certificates as people meet them: the platform's own authority, those they bring, those that an authority outside
//! makes (ACME, held against Debian's `pebble`), and what is said where something is not right.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, status};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tow_testkit::binary::{Binary, Done, until};

/// GET over TLS, by somebody who trusts what is in this PEM alone.
fn get(at: &str, host: &str, pem: &str) -> Result<String, String> {
    get_path(at, host, "/", pem)
}

/// The same, of this path.
pub(crate) fn get_path(at: &str, host: &str, path: &str, pem: &str) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = rustls::RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(one.map_err(|e| text(&e))?).map_err(|e| text(&e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| text(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_string()).map_err(|e| text(&e))?;
    let connection = rustls::ClientConnection::new(Arc::new(config), name);
    let stream = TcpStream::connect(at.trim_start_matches("https://")).map_err(|e| text(&e))?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(|e| text(&e))?;
    let mut tls = rustls::StreamOwned::new(connection.map_err(|e| text(&e))?, stream);
    write!(tls, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        .map_err(|e| text(&e))?;
    let mut answer = Vec::new();
    match tls.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(text(&error)),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

fn host(up: &Binary, component: &str) -> String {
    let url = status(up, component)["url"].as_str().unwrap().to_string();
    url.split('/').nth(2).unwrap().split(':').next().unwrap().to_string()
}

fn https(up: &Binary) -> String {
    up.ready.as_ref().unwrap().https.clone().unwrap()
}

/// A certificate of its own making for a host, and its key, as files.
fn bring(up: &Binary, host: &str, days: i64) -> (PathBuf, PathBuf) {
    let mut params = rcgen::CertificateParams::new(vec![host.to_string()]).unwrap();
    let year = if days < 0 { 2020 } else { 2090 };
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let chain = params.self_signed(&key).unwrap();
    let name = format!("{}-{days}", host.replace('*', "star"));
    let (cert, pem) =
        (up.home().join(format!("{name}.pem")), up.home().join(format!("{name}.key")));
    std::fs::write(&cert, chain.pem()).unwrap();
    std::fs::write(&pem, key.serialize_pem()).unwrap();
    (cert, pem)
}

fn add(up: &Binary, host: &str, cert: &Path, key: &Path) -> Done {
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    up.tow(["tls", "add", host, "--cert", &cert, "--key", &key, "-o", "json"])
}

fn listed(up: &Binary, host: &str) -> Value {
    let all = up.json(&["tls", "list"]);
    let items = all.as_array().or_else(|| all["items"].as_array()).cloned().unwrap_or_default();
    items.into_iter().find(|one| one["host"] == host).unwrap_or(Value::Null)
}

#[test]
fn names_of_this_machine_are_proved_by_an_authority_that_people_may_trust() {
    let mut up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let (at, host) = (https(&up), host(&up, "ferry"));
    let file = up.home().join("ca.pem");
    let said = up.tow(["tls", "trust", "--write", &file.display().to_string()]).exits(0);
    for system in
        ["Debian", "Fedora", "macOS", "Windows", "Firefox", "Java", "Node", "Python", "curl"]
    {
        assert!(said.out.contains(system), "{system}: {said}");
    }
    assert!(said.err.contains("whom this machine trusts was not changed"), "{said}");
    assert!(said.out.contains(&format!("SSL_CERT_FILE={} ", file.display())), "{said}");
    let ca = std::fs::read_to_string(&file).unwrap();
    until("the gateway has it", || get(&at, &host, &ca).is_ok());
    let answer = get(&at, &host, &ca).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(get(&at, "localhost", &ca).unwrap().starts_with("HTTP/1.1 404"));
    let why = get(&at, "shop.example.org", &ca).unwrap_err();
    assert!(why.contains("UnrecognisedName"), "{why}");
    // The same authority after a restart of everything, and no key of it lies open in the store.
    up.end(rustix::process::Signal::TERM);
    up.start();
    assert_eq!(up.json(&["tls", "trust"])["chain"], ca.as_str());
    let store = std::fs::read(up.data().join("tow.db")).unwrap();
    let key = b"PRIVATE KEY";
    assert!(!store.windows(key.len()).any(|window| window == key));
}

#[test]
fn a_certificate_that_somebody_brings_is_checked_shown_and_taken_away() {
    let up = Binary::up(TOW);
    let at = https(&up);
    let (cert, key) = bring(&up, "shop.example.org", 1);
    let pem = std::fs::read_to_string(&cert).unwrap();
    let refused = |done: Done, code: &str| {
        let problem = done.problem();
        assert_eq!(problem["code"], code, "{problem}");
        assert!(!problem["untouched"].as_str().unwrap_or_default().is_empty(), "{problem}");
    };
    let (_, other) = bring(&up, "other.example.org", 1);
    refused(add(&up, "shop.example.org", &cert, &other), "tls/unreadable");
    refused(add(&up, "shop.example.org", &key, &key), "tls/unreadable");
    refused(add(&up, "www.example.org", &cert, &key), "tls/other-host");
    refused(add(&up, "not a host", &cert, &key), "tls/host");
    // How things stand is a whole sentence.
    let (cert_file, key_file) = (cert.display().to_string(), key.display().to_string());
    let said =
        up.tow(["tls", "add", "www.example.org", "--cert", &cert_file, "--key", &key_file]).err;
    assert!(said.contains("\n  no certificate was changed, and the gateway"), "{said}");
    let said = up.tow(["tls", "add", "www.example.org", "--cert", "no.pem", "--key", "no.key"]);
    let said = said.exits(2).err;
    assert!(said.contains("no.pem can't be read: there is no such file or folder"), "{said}");
    let (old, old_key) = bring(&up, "shop.example.org", -1);
    refused(add(&up, "shop.example.org", &old, &old_key), "tls/expired");
    assert_eq!(listed(&up, "shop.example.org"), Value::Null);

    let added = add(&up, "shop.example.org", &cert, &key).exits(0).json();
    assert_eq!((&added["state"], &added["source"]), (&"good".into(), &"given".into()));
    until("it is shown", || get(&at, "shop.example.org", &pem).is_ok());
    assert_eq!(listed(&up, "shop.example.org")["facts"]["names"][0], "shop.example.org");
    let (star, star_key) = bring(&up, "*.example.net", 1);
    add(&up, "*.example.net", &star, &star_key).exits(0);
    let star = std::fs::read_to_string(&star).unwrap();
    until("its neighbours are shown, too", || get(&at, "a.example.net", &star).is_ok());

    let away = ["tls", "remove", "shop.example.org", "--confirm", "shop.example.org"];
    up.tow(away).exits(0);
    until("it is shown no more", || get(&at, "shop.example.org", &pem).is_err());
    up.tow(away).exits(4);
    // Nobody is asked to agree to what can't be done.
    let done = up.tow(&away[..3]).exits(4);
    assert!(done.err.contains("a certificate of shop.example.org is not there"), "{done}");
    let kinds: Vec<String> =
        up.json(&["audit", "list"]).to_string().split('"').map(Into::into).collect();
    for kind in ["certificate.added", "certificate.removed"] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind}");
    }
}
