//! HTTP/2 at the gateway, held to RFC 9113 and RFC 7541 by the public suite `h2spec`, where it is installed.

use crate::https::{LISTEN, authority, set};
use crate::support::{Gate, Instance, route};
use std::process::Command;
use tow_ports::Edge;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2spec_finds_nothing() {
    if Command::new("h2spec").arg("--version").output().is_err() {
        println!("not run: h2spec is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start_with(dir.path(), &LISTEN);
    let one = Instance::start("one").await;
    // It says no name in TLS and an address as the host.
    gate.apply(1, vec![route("r", "127.0.0.1", &[&one])]).await;
    gate.edge.certify(&set("1", &authority("Own"), &[])).await.unwrap();
    let port = gate.https.unwrap().port().to_string();
    let run = tokio::task::spawn_blocking(move || {
        let args = ["-t", "-k", "-h", "127.0.0.1", "-p", &port, "-o", "5", "-S"];
        Command::new("h2spec").args(args).output().unwrap()
    });
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let tail: Vec<&str> = said.lines().rev().take(60).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    assert!(run.status.success(), "{}", tail.join("\n"));
    let sum = said.lines().rev().find(|line| line.contains("passed")).unwrap_or_default();
    println!("measured: h2spec: {}", sum.trim());
}
