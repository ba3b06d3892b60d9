//! Certificates ordered by ACME, at Debian's `pebble`: an authority that is down, then one that makes a certificate, all of
//! it over the real gateway.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tow_testkit::binary::{Binary, not_run, until};

/// A process that goes with the test.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &mut Command) -> Run {
    Run(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("-help").output().is_ok()
}

/// The authority's own names: whoever asks is led to this machine.
fn names() -> (Run, u16) {
    // For both TCP and UDP.
    let dns =
        (0..50).map(|_| free_port()).find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok());
    let dns = dns.unwrap();
    let mut command = Command::new("pebble-challtestsrv");
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
    command.args(["-dns01", &format!("127.0.0.1:{dns}")]);
    command.args(["-management", &format!("127.0.0.1:{}", free_port())]);
    (run(&mut command), dns)
}

fn pebble(dir: &Path, port: u16, http: u16, dns: u16) -> Run {
    let config = json!({"pebble": {
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": format!("127.0.0.1:{}", free_port()),
        "certificate": dir.join("acme.pem"), "privateKey": dir.join("acme.key"),
        "httpPort": http, "tlsPort": 1, "ocspResponderURL": "",
        "externalAccountBindingRequired": false,
    }});
    let file = dir.join("pebble.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new("pebble");
    command.arg("-config").arg(&file).args(["-dnsserver", &format!("127.0.0.1:{dns}")]);
    run(command.env("PEBBLE_VA_NOSLEEP", "1"))
}

fn listed(up: &Binary, host: &str) -> Value {
    let all = up.json(&["tls", "list"]);
    let items = all.as_array().or_else(|| all["items"].as_array()).cloned().unwrap_or_default();
    items.into_iter().find(|one| one["host"] == host).unwrap_or(Value::Null)
}

#[test]
fn a_certificate_is_ordered_proved_and_shown_once_the_authority_is_back() {
    if !(is_there("pebble") && is_there("pebble-challtestsrv")) {
        not_run("pebble is not installed");
        return;
    }
    let mut up = Binary::new(TOW);
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    std::fs::write(up.home().join("acme.pem"), own.cert.pem()).unwrap();
    std::fs::write(up.home().join("acme.key"), own.signing_key.serialize_pem()).unwrap();
    let (port, root) = (free_port(), up.home().join("acme.pem").display().to_string());
    let directory = format!("https://127.0.0.1:{port}/dir");
    let args = [
        "--acme",
        &directory,
        "--acme-root",
        &root,
        "--acme-contact",
        "ops@example.org",
        "--allow-address",
        "127.0.0.1",
    ];
    let ready = up.try_start(&args, &[]).unwrap();
    let ferry = Ferry::patient("shop");
    let score = ferry.path().join("score.yaml");
    let text = std::fs::read_to_string(&score).unwrap();
    let way = "resources:\n  way:\n    type: route\n    params: {host: shop.example.org, path: /, port: 8080}\n";
    std::fs::write(&score, format!("{text}{way}")).unwrap();
    up.deploy(ferry.path());
    let host = "shop.example.org";
    until("it says that the authority is down", || {
        let seen = listed(&up, host);
        seen["state"] == "failing" && seen["reason"].as_str().unwrap().contains("does not answer")
    });
    let events = up.json(&["audit", "list"]).to_string();
    assert!(events.contains("certificate.failed"), "{events}");

    let (_names, dns) = names();
    let http: u16 = ready.gateway.rsplit(':').next().unwrap().parse().unwrap();
    let _authority = pebble(up.home(), port, http, dns);
    until("the authority answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    until("it has made a certificate", || listed(&up, host)["state"] == "good");
    let made = listed(&up, host);
    assert_eq!((&made["source"], &made["facts"]["names"][0]), (&json!("acme"), &json!(host)));
    assert!(made["facts"]["issuer"].as_str().unwrap().contains("Pebble"), "{made}");
    until("the gateway shows it", || {
        let edge = std::fs::read(up.data().join("run/gateway/certs/certificates.json"));
        String::from_utf8_lossy(&edge.unwrap_or_default()).contains(host)
    });
    let events = up.json(&["audit", "list"]).to_string();
    assert!(events.contains("certificate.issued"), "{events}");
    // Nothing of the order is left, and nobody is asked again before it is due.
    assert_eq!(
        up.json(&["tls", "list"]).to_string().matches(host).count(),
        2,
        "its host and its name"
    );
}
