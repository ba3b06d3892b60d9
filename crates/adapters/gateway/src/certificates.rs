//! Which certificate a connection is shown, and the folder that keeps them over our restarts. Those that were given are
//! shown for their hosts; for names of this machine the platform's own authority makes one when it is first asked for.
//! For any other name there is none. Where they come from is not known here.

use arc_swap::ArcSwap;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tow_names::{Timestamp, is_local_host};
use tow_record::{CertificateSet, ServedCertificate};

const FOLDER: &str = "certs";
const CURRENT: &str = "certificates.json";
const PREVIOUS: &str = "certificates.prev.json";
const NEXT: &str = "certificates.json.tmp";
/// How long a certificate of the own authority is good.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Clocks of clients may be behind.
const BEFORE: Duration = Duration::from_secs(24 * 3600);
/// As many are remembered; more are made anew.
const MADE: usize = 10_000;
/// Whoever says no name is one of this machine's.
const NAMELESS: &str = "localhost";

/// What is shown.
#[derive(Default)]
struct Shown {
    set: CertificateSet,
    /// By host, in lower case; wildcards without their star: `.example.org`.
    by_host: HashMap<String, (Arc<CertifiedKey>, Option<Timestamp>)>,
    authority: Option<OwnAuthority>,
}

/// The authority that makes certificates for names of this machine.
struct OwnAuthority {
    issuer: Issuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    /// By host: what was made, and when another one is due.
    made: Mutex<HashMap<String, (Arc<CertifiedKey>, SystemTime)>>,
}

/// All certificates, swapped as one.
pub(crate) struct Certificates {
    shown: ArcSwap<Shown>,
    dir: PathBuf,
    /// One set is kept at a time.
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Why a set was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    Fenced { given: i64, seen: i64 },
    Unreadable(String),
    NotKept(String),
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates are judged by the time of day, with no control plane there"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn time(at: SystemTime) -> time::OffsetDateTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    time::OffsetDateTime::from_unix_timestamp(since).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
    Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
}

fn read(one: &ServedCertificate) -> Result<Arc<CertifiedKey>, String> {
    let wrong = |what: &str| format!("the certificate of {}: {what}", one.host);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(one.chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|err| wrong(&err.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_slice(one.key.as_bytes()).map_err(|err| wrong(&err.to_string()))?;
    CertifiedKey::from_der(chain, key, &default_provider())
        .map(Arc::new)
        .map_err(|err| wrong(&err.to_string()))
}

impl OwnAuthority {
    fn new(given: &ServedCertificate) -> Result<Self, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("the certificate authority: {what}");
        let key = KeyPair::from_pem(&given.key).map_err(|err| wrong(&err))?;
        let chain = CertificateDer::pem_slice_iter(given.chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|err| wrong(&err))?;
        // Of its own certificate only the name and the key are seen in what it makes.
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, given.host.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: Issuer::new(params, key), chain, made: Mutex::default() })
    }

    /// The certificate of a name of this machine: the one made before, until two thirds of its life are over.
    fn of(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let now = now();
        if let Some((key, due)) = crate::target::lock(&self.made).get(host)
            && *due > now
        {
            return Some(key.clone());
        }
        let made = match self.make(host, now) {
            Ok(made) => Arc::new(made),
            Err(error) => {
                tracing::warn!(host, error, "no certificate could be made");
                return None;
            }
        };
        let mut all = crate::target::lock(&self.made);
        if all.len() >= MADE {
            all.clear();
        }
        all.insert(host.to_string(), (made.clone(), now + LIFE / 3 * 2));
        Some(made)
    }

    fn make(&self, host: &str, now: SystemTime) -> Result<CertifiedKey, String> {
        let mut names = vec![host.to_string()];
        if host == NAMELESS {
            names.extend(["127.0.0.1".into(), "::1".into()]);
        }
        let text = |err: &dyn std::fmt::Display| err.to_string();
        let mut params = CertificateParams::new(names).map_err(|err| text(&err))?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host);
        params.not_before = time(now - BEFORE);
        params.not_after = time(now + LIFE);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(|err| text(&err))?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(|err| text(&err))?;
        let mut chain = vec![leaf.der().clone()];
        chain.extend(self.chain.iter().cloned());
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|err| text(&err))?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|err| text(&err))
    }
}

impl Shown {
    fn new(set: CertificateSet) -> Result<Self, String> {
        let mut by_host = HashMap::new();
        for one in &set.certificates {
            let host = one.host.to_ascii_lowercase();
            let host = host.strip_prefix('*').map(ToString::to_string).unwrap_or(host);
            by_host.insert(host, (read(one)?, one.until));
        }
        let authority = set.authority.as_ref().map(OwnAuthority::new).transpose()?;
        Ok(Self { set, by_host, authority })
    }

    /// Its own certificate, else the one of all names beside it, else one made for it.
    fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let beside = || host.find('.').and_then(|dot| self.by_host.get(&host[dot..]));
        // One that is over proves nothing to anybody.
        let is_good =
            |until: &Option<Timestamp>| until.is_none_or(|until| timestamp(now()) < until);
        if let Some((own, _)) =
            self.by_host.get(host).or_else(beside).filter(|(_, until)| is_good(until))
        {
            return Some(own.clone());
        }
        self.authority.as_ref().filter(|_| is_local_host(host))?.of(host)
    }
}

fn key(hello: &ClientHello<'_>) -> String {
    let name = hello.server_name().unwrap_or(NAMELESS);
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.shown.load().find(&key(&hello))
    }
}

impl Certificates {
    /// What the folder keeps; the second: what is to be told about it.
    pub(crate) fn load(dir: &Path) -> (Self, Vec<String>) {
        let dir = dir.join(FOLDER);
        let (mut notes, mut shown) = (Vec::new(), Shown::default());
        for name in [CURRENT, PREVIOUS] {
            let path = dir.join(name);
            let read = match std::fs::read(&path) {
                Ok(bytes) => serde_json::from_slice(&bytes).map_err(|err| err.to_string()),
                Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
                Err(err) => Err(err.to_string()),
            };
            match read.and_then(Shown::new) {
                Ok(kept) => {
                    shown = kept;
                    break;
                }
                Err(error) => notes.push(format!("{} is damaged: {error}", path.display())),
            }
        }
        let turn = tokio::sync::Mutex::default();
        (Self { shown: ArcSwap::from_pointee(shown), dir, turn }, notes)
    }

    /// Which set is shown.
    pub(crate) fn version(&self) -> String {
        self.shown.load().set.version.clone()
    }

    /// Is there one for this name? The name as it was asked for comes with it.
    pub(crate) fn know(&self, hello: &ClientHello<'_>) -> Result<(), String> {
        let host = key(hello);
        if self.shown.load().find(&host).is_some() { Ok(()) } else { Err(host) }
    }

    /// Is there one for this host? In lower case, without port.
    pub(crate) fn has(&self, host: &str) -> bool {
        self.shown.load().find(host).is_some()
    }

    /// The answer to a certificate authority that looks for a token, where there is one.
    pub(crate) fn answer(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix("/.well-known/acme-challenge/")?;
        self.shown.load().set.answers.get(token).cloned()
    }

    /// Shows a set from here on; it is on the disk when this returns. Connections that are open go on.
    pub(crate) async fn take(&self, set: CertificateSet) -> Result<(), NotTaken> {
        let _turn = self.turn.lock().await;
        let seen = self.shown.load().set.epoch;
        if set.epoch < seen {
            return Err(NotTaken::Fenced { given: set.epoch, seen });
        }
        let shown = Shown::new(set).map_err(NotTaken::Unreadable)?;
        let not_kept = |err: &dyn std::fmt::Display| NotTaken::NotKept(err.to_string());
        let bytes = serde_json::to_vec(&shown.set).map_err(|err| not_kept(&err))?;
        let dir = self.dir.clone();
        let kept = tokio::task::spawn_blocking(move || keep(&dir, &bytes)).await;
        kept.map_err(|err| not_kept(&err))?.map_err(|err| not_kept(&err))?;
        self.shown.store(Arc::new(shown));
        Ok(())
    }
}

/// Killed between any two lines, the new ones are there or the ones before.
fn keep(dir: &Path, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let (next, current) = (dir.join(NEXT), dir.join(CURRENT));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A damaged one never takes the place of the last good one.
    let is_good = |bytes: Vec<u8>| serde_json::from_slice::<CertificateSet>(&bytes).is_ok();
    if std::fs::read(&current).is_ok_and(is_good) {
        std::fs::rename(&current, dir.join(PREVIOUS))?;
    }
    std::fs::rename(&next, &current)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> ServedCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Own");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        ServedCertificate { host: "Own".into(), chain, key: key.serialize_pem(), until: None }
    }

    fn given(host: &str) -> ServedCertificate {
        let made = rcgen::generate_simple_self_signed(vec![host.to_string()]).unwrap();
        let key = made.signing_key.serialize_pem();
        ServedCertificate { host: host.into(), chain: made.cert.pem(), key, until: None }
    }

    fn set(version: &str, certificates: Vec<ServedCertificate>) -> CertificateSet {
        let (version, authority) = (version.into(), Some(authority()));
        CertificateSet { epoch: 1, version, certificates, authority, ..CertificateSet::default() }
    }

    #[test]
    fn a_host_gets_its_own_or_that_of_its_neighbours_or_one_made_here() {
        let shown =
            Shown::new(set("1", vec![given("a.example.org"), given("*.example.org")])).unwrap();
        let first = |host: &str| shown.find(host).map(|key| key.cert[0].clone());
        assert_ne!(first("a.example.org"), first("b.example.org"));
        assert_eq!(first("b.example.org"), first("c.example.org"));
        assert_eq!(first("example.org"), None);
        assert_eq!(first("deep.b.example.org"), None, "a star stands for one label");
        assert_ne!(first("web.localhost"), None);
        assert_eq!(first("web.localhost"), first("web.localhost"), "made once");
        assert_ne!(first("web.localhost"), first("api.localhost"));
        assert_eq!(first("elsewhere.net"), None);
        let over = |host: &str| ServedCertificate { until: Some(Timestamp(0)), ..given(host) };
        let shown =
            Shown::new(set("2", vec![over("a.example.org"), over("web.localhost")])).unwrap();
        assert!(shown.find("a.example.org").is_none(), "one that is over is not shown");
        assert!(shown.find("web.localhost").is_some(), "another is made in its place");
    }

    #[tokio::test]
    async fn a_set_is_kept_and_a_damaged_file_falls_back() {
        let dir = tempfile::tempdir().unwrap();
        let (all, notes) = Certificates::load(dir.path());
        assert!(notes.is_empty() && all.version().is_empty());
        all.take(set("1", vec![given("a.example.org")])).await.unwrap();
        all.take(set("2", vec![])).await.unwrap();
        let old = CertificateSet { epoch: 0, ..set("3", vec![]) };
        assert!(matches!(all.take(old).await, Err(NotTaken::Fenced { given: 0, seen: 1 })));
        let mut broken = given("b.example.org");
        broken.key = given("c.example.org").key;
        let refused = all.take(set("4", vec![broken])).await;
        assert!(matches!(refused, Err(NotTaken::Unreadable(why)) if why.contains("b.example.org")));
        assert_eq!(all.version(), "2");
        assert_eq!(Certificates::load(dir.path()).0.version(), "2");
        std::fs::write(dir.path().join(FOLDER).join(CURRENT), b"{").unwrap();
        let (all, notes) = Certificates::load(dir.path());
        assert_eq!((all.version().as_str(), notes.len()), ("1", 1));
    }
}
