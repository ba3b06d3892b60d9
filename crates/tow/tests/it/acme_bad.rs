//! An authority that makes certificates of no use for some hosts: all others get theirs, and the trouble is shown.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::given::{DEVELOPMENT, ann};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tow_api::Nothing;
use tow_api::tls::list::{CertificateView, ListCertificates};
use tow_names::{Duration, Timestamp};
use tow_platform::AcmeSetting;
use tow_ports::{AcmeError, Certifier, Made, Ordered, PortError, Progress};
use tow_record::{CertificateFacts, Role};
use tow_testkit::{Person, TestPlatform};

/// Makes and reads as the platform does; what it is asked to order is made here, well or badly.
struct Authority(Arc<dyn Certifier>);

fn signed(names: &[&str], key: &rcgen::KeyPair, until: i32) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params.self_signed(key).unwrap().pem()
}

#[async_trait]
impl Certifier for Authority {
    fn authority(&self, name: &str, now: Timestamp) -> Result<Made, PortError> {
        self.0.authority(name, now)
    }

    fn key(&self) -> Result<String, PortError> {
        self.0.key()
    }

    fn read(&self, chain: &str, key: Option<&str>) -> Result<CertificateFacts, PortError> {
        self.0.read(chain, key)
    }

    async fn enroll(&self, _: &AcmeSetting) -> Result<String, AcmeError> {
        Ok("somebody".into())
    }

    async fn order(&self, _: &AcmeSetting, _: &str, host: &str) -> Result<Ordered, AcmeError> {
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

#[tokio::test]
async fn a_certificate_of_no_use_keeps_no_other_host_from_its_own() {
    let platform = TestPlatform::start().await;
    let routes: String = ["a", "b", "c", "d", "e"]
        .map(|letter| {
            format!(
                "  way-{letter}: {{type: route, params: {{host: {letter}.example.org, path: /, port: 8080}}}}\n"
            )
        })
        .concat();
    let score = format!(
        "apiVersion: score.dev/v1b1\nmetadata:\n  name: web\nservice:\n  ports:\n    http:\n      port: 8080\n\
         containers:\n  main:\n    image: .\n    variables:\n      TOW_FAKE: ready-after=20ms\nresources:\n{routes}"
    );
    let folder = [("score.yaml", score.as_str())];
    ann(&platform).deploy(DEVELOPMENT, &folder, "source").await.unwrap().unwrap();
    platform.settle().await;

    let other = platform
        .another_with(|adapters| {
            adapters.certifier = Arc::new(Authority(adapters.certifier.clone()));
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
