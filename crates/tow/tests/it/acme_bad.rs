//! An authority that makes certificates of no use for some hosts: all others get theirs, and the trouble is shown. And
//! one that loses an account.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::given::{DEVELOPMENT, ann};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tow_api::Nothing;
use tow_api::tls::list::{CertificateView, ListCertificates};
use tow_names::{Duration, Timestamp};
use tow_platform::{AcmeSetting, Platform};
use tow_ports::{AcmeError, Certifier, Made, Ordered, PortError, Progress};
use tow_record::{CertificateFacts, Role};
use tow_testkit::{Person, TestPlatform};

/// Makes and reads as the platform does; what it is asked to order is made here, well or badly.
struct Authority {
    own: Arc<dyn Certifier>,
    /// How many accounts it made.
    accounts: Arc<AtomicUsize>,
    /// Of so many it knows nothing any more.
    lost: usize,
}

fn signed(names: &[&str], key: &rcgen::KeyPair, until: i32) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params.self_signed(key).unwrap().pem()
}

#[async_trait]
impl Certifier for Authority {
    fn authority(&self, name: &str, now: Timestamp) -> Result<Made, PortError> {
        self.own.authority(name, now)
    }

    fn key(&self) -> Result<String, PortError> {
        self.own.key()
    }

    fn read(&self, chain: &str, key: Option<&str>) -> Result<CertificateFacts, PortError> {
        self.own.read(chain, key)
    }

    async fn enroll(&self, _: &AcmeSetting) -> Result<String, AcmeError> {
        Ok((self.accounts.fetch_add(1, Ordering::Relaxed) + 1).to_string())
    }

    async fn order(&self, _: &AcmeSetting, who: &str, host: &str) -> Result<Ordered, AcmeError> {
        if who.parse::<usize>().unwrap() <= self.lost {
            let why = format!("the authority refused (accountDoesNotExist): {who}");
            return Err(AcmeError { no_account: true, ..AcmeError::refused(why) });
        }
        Ok(Ordered { order: format!("order of {host}"), answers: BTreeMap::new() })
    }

    async fn tell(&self, _: &AcmeSetting, _: &str, _: &str) -> Result<(), AcmeError> {
        Ok(())
    }

    async fn look(
        &self,
        _: &AcmeSetting,
        _: &str,
        _: &str,
        host: &str,
        key: &str,
    ) -> Result<Progress, AcmeError> {
        let own = rcgen::KeyPair::from_pem(key).unwrap();
        Ok(Progress::Done(match host {
            "a.example.org" => "no certificate at all".into(),
            "b.example.org" => signed(&[host], &rcgen::KeyPair::generate().unwrap(), 2050),
            "c.example.org" => signed(&["another.example.org"], &own, 2050),
            "d.example.org" => signed(&[host], &own, 2020),
            _ => signed(&[host], &own, 2050),
        }))
    }
}

/// A platform with a component of these hosts, and another control plane of it that orders at the authority, until one
/// certificate is good.
async fn ordered(
    platform: &TestPlatform,
    letters: &[&str],
    accounts: &Arc<AtomicUsize>,
    lost: usize,
) -> (Platform, Vec<CertificateView>) {
    let routes: Vec<String> = letters
        .iter()
        .map(|letter| {
            format!(
                "  way-{letter}: {{type: route, params: {{host: {letter}.example.org, path: /, port: 8080}}}}\n"
            )
        })
        .collect();
    let routes = routes.concat();
    let score = format!(
        "apiVersion: score.dev/v1b1\nmetadata:\n  name: web\nservice:\n  ports:\n    http:\n      port: 8080\n\
         containers:\n  main:\n    image: .\n    variables:\n      TOW_FAKE: ready-after=20ms\nresources:\n{routes}"
    );
    let folder = [("score.yaml", score.as_str())];
    ann(platform).deploy(DEVELOPMENT, &folder, "source").await.unwrap().unwrap();
    platform.settle().await;

    let other = platform
        .another_with(|adapters| {
            let (own, accounts) = (adapters.certifier.clone(), accounts.clone());
            adapters.certifier = Arc::new(Authority { own, accounts, lost });
            adapters.acme = Some(AcmeSetting {
                directory: "https://authority.example.org/dir".into(),
                contact: Vec::new(),
                root: None,
            });
            let listen = ["https=127.0.0.1:0".to_string()];
            let spec = tow_gateway::gateway_spec(Path::new("/g"), Path::new("/tow"), &listen);
            adapters.gateway = Some(spec);
        })
        .await
        .unwrap();
    let root = Person::new(&other.app, "user:default/root", Role::Admin, &[]);
    let list = async || {
        root.call::<ListCertificates>(Nothing {}, Nothing {}, Nothing {}).await.unwrap().items
    };
    let good = |all: &[CertificateView]| all.iter().any(|one| one.state == "good");
    for _ in 0..200 {
        let _ = other.reconciler.tick().await;
        platform.clock().advance(Duration::from_millis(500));
        if good(&list().await) {
            break;
        }
    }
    let all = list().await;
    (other, all)
}

#[tokio::test]
async fn an_account_that_the_authority_lost_is_made_anew() {
    let platform = TestPlatform::start().await;
    let accounts = Arc::new(AtomicUsize::new(0));
    let (other, all) = ordered(&platform, &["e"], &accounts, 2).await;
    assert_eq!(all[0].state, "good", "{all:?}");
    assert_eq!(accounts.load(Ordering::Relaxed), 3, "two were lost");
    other.close().await;
    platform.kill();
}

#[tokio::test]
async fn a_certificate_of_no_use_keeps_no_other_host_from_its_own() {
    let platform = TestPlatform::start().await;
    let (other, all) = ordered(&platform, &["a", "b", "c", "d", "e"], &Arc::default(), 0).await;
    let said: Vec<_> = all
        .iter()
        .map(|one| (one.host.as_str(), one.state.as_str(), one.reason.as_str()))
        .collect();
    let [a, b, c, d, e] = said.as_slice() else { panic!("{said:?}") };
    for (one, reason) in [
        (a, "the authority's certificate is of no use: "),
        (b, "the authority's certificate is of no use: "),
        (c, "the authority made a certificate of another.example.org instead"),
        (d, "the authority made a certificate that was good until 2020-01-01"),
    ] {
        assert!(one.1 == "failing" && one.2.starts_with(reason), "{said:?}");
    }
    assert_eq!((e.0, e.1, e.2), ("e.example.org", "good", ""));
    // Who was refused is not asked again in a hurry.
    let next = all[0].next_at.unwrap();
    assert!(next > tow_ports::Clock::now(platform.clock().as_ref()).plus(Duration::from_secs(60)));
    other.close().await;
    platform.kill();
}
