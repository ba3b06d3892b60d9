//! Certificates ordered by ACME, at Debian's `pebble`: an authority that is down, then one that makes a certificate; one
//! that is renewed before it is over. All of it over the real gateway.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what was measured is a result")]

use crate::ferry::{Ferry, TOW};
use crate::tls::get_path;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Ready, not_run, until};

/// What is renewed is good for so long.
const LIFE: Duration = Duration::from_secs(24);
/// Whom the certificates are of.
const HOST: &str = "shop.example.org";

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

/// The authority, at `port`; where it says what leads to its certificates, at `manage`.
struct Ports {
    port: u16,
    manage: u16,
}

/// The platform with everything that an authority wants, and a component with a route of the host.
fn platform(up: &mut Binary) -> (Ports, Ready, Ferry) {
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    std::fs::write(up.home().join("acme.pem"), own.cert.pem()).unwrap();
    std::fs::write(up.home().join("acme.key"), own.signing_key.serialize_pem()).unwrap();
    let ports = Ports { port: free_port(), manage: free_port() };
    let root = up.home().join("acme.pem").display().to_string();
    let directory = format!("https://127.0.0.1:{}/dir", ports.port);
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
    let way = format!(
        "resources:\n  way:\n    type: route\n    params: {{host: {HOST}, path: /, port: 8080}}\n"
    );
    std::fs::write(&score, format!("{text}{way}")).unwrap();
    up.deploy(ferry.path());
    (ports, ready, ferry)
}

/// Starts the authority, whose certificates are good for so many seconds.
fn pebble(up: &Binary, ports: &Ports, ready: &Ready, dns: u16, seconds: u64) -> Run {
    let http: u16 = ready.gateway.rsplit(':').next().unwrap().parse().unwrap();
    let config = json!({"pebble": {
        "listenAddress": format!("127.0.0.1:{}", ports.port),
        "managementListenAddress": format!("127.0.0.1:{}", ports.manage),
        "certificate": up.home().join("acme.pem"), "privateKey": up.home().join("acme.key"),
        "httpPort": http, "tlsPort": 1, "ocspResponderURL": "",
        "externalAccountBindingRequired": false, "certificateValidityPeriod": seconds,
    }});
    let file = up.home().join("pebble.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new("pebble");
    command.arg("-config").arg(&file).args(["-dnsserver", &format!("127.0.0.1:{dns}")]);
    let run = run(command.env("PEBBLE_VA_NOSLEEP", "1"));
    until("the authority answers", || TcpStream::connect(("127.0.0.1", ports.port)).is_ok());
    run
}

fn listed(up: &Binary, host: &str) -> Value {
    let all = up.json(&["tls", "list"]);
    let items = all.as_array().or_else(|| all["items"].as_array()).cloned().unwrap_or_default();
    items.into_iter().find(|one| one["host"] == host).unwrap_or(Value::Null)
}

fn is_here() -> bool {
    let here = is_there("pebble") && is_there("pebble-challtestsrv");
    if !here {
        not_run("pebble is not installed");
    }
    here
}

#[test]
fn a_certificate_is_ordered_proved_and_shown_once_the_authority_is_back() {
    if !is_here() {
        return;
    }
    let mut up = Binary::new(TOW);
    let (ports, ready, _ferry) = platform(&mut up);
    let host = HOST;
    until("it says that the authority is down", || {
        let seen = listed(&up, host);
        seen["state"] == "failing" && seen["reason"].as_str().unwrap().contains("does not answer")
    });
    let events = up.json(&["audit", "list"]).to_string();
    assert!(events.contains("certificate.failed"), "{events}");

    let (_names, dns) = names();
    let _authority = pebble(&up, &ports, &ready, dns, 24 * 3600);
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

#[test]
fn a_certificate_is_renewed_before_it_is_over_and_nobody_is_refused_meanwhile() {
    if !is_here() {
        return;
    }
    let mut up = Binary::new(TOW);
    let (ports, ready, _ferry) = platform(&mut up);
    let (_names, dns) = names();
    // Renewed after two thirds of it.
    let _authority = pebble(&up, &ports, &ready, dns, LIFE.as_secs());
    let root = std::fs::read_to_string(up.home().join("acme.pem")).unwrap();
    let manage = format!("127.0.0.1:{}", ports.manage);
    let root = get_path(&manage, "127.0.0.1", "/roots/0", &root).unwrap();
    let at = ready.https.clone().unwrap();
    // Whoever asks holds the certificate to its time, its host and its root.
    let ask = || get_path(&at, HOST, "/", &root);
    until("the first is shown", || ask().is_ok());
    let first = listed(&up, HOST)["facts"]["fingerprint"].clone();
    let over = Arc::new(AtomicBool::new(false));
    let asking = {
        let (over, at, root) = (over.clone(), at.clone(), root.clone());
        std::thread::spawn(move || {
            let ask = || get_path(&at, HOST, "/", &root);
            let (mut asked, mut failed) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                asked += 1;
                match ask() {
                    Ok(answer) if answer.starts_with("HTTP/1.1 200") => {}
                    other => failed.push(format!("{other:?}")),
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
            (asked, failed)
        })
    };
    let began = Instant::now();
    until("the next one is there", || {
        let now = listed(&up, HOST)["facts"]["fingerprint"].clone();
        now.is_string() && now != first
    });
    let second = listed(&up, HOST);
    assert_eq!((&second["state"], &second["reason"]), (&json!("good"), &json!("")), "{second}");
    // From then on the first is nothing that anybody would believe.
    until("the first is over", || began.elapsed() > LIFE);
    let last = ask();
    assert!(last.is_ok(), "{last:?}");
    over.store(true, Ordering::Relaxed);
    let (asked, failed) = asking.join().unwrap();
    assert!(failed.is_empty(), "{} of {asked} failed: {:?}", failed.len(), failed.first());
    println!("measured: a certificate renewed under {asked} handshakes, 0 failed");
    let events = up.json(&["audit", "list"]).to_string();
    assert!(events.matches("certificate.issued").count() >= 2, "{events}");
}
