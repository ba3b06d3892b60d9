//! Builds that misbehave: each is ended with its reason, what serves goes on serving, and how the control plane answers
//! meanwhile is measured.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{TOW, example, get};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, not_run, until};

/// How often each is begun: the figures are the middle ones.
const ROUNDS: usize = 3;
/// A sample has no fewer requests.
const REQUESTS: usize = 100;

/// `hello-static`, made by a command under limits.
fn with(command: &str, build: &str) -> tempfile::TempDir {
    let folder = example("hello-static");
    let text = format!(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: hello-static\nspec:\n  build:\n    command: \
         {}\n    output: out\n{build}  workloads:\n    hello-static:\n      kind: static\n",
        Value::from(command)
    );
    std::fs::write(folder.path().join("tow.yaml"), text).unwrap();
    folder
}

/// Asks the control plane again and again, until `over` and often enough; how long each answer took.
fn ask(url: &str, mut over: impl FnMut(usize) -> bool) -> Vec<Duration> {
    let mut all = Vec::new();
    while !over(all.len()) || all.len() < REQUESTS {
        let began = Instant::now();
        assert_eq!(get(url, "/healthz").0, 200);
        all.push(began.elapsed());
    }
    all
}

/// The slowest but one in a hundred.
fn p99(mut all: Vec<Duration>) -> f64 {
    all.sort();
    all[(all.len() * 99 / 100).min(all.len() - 1)].as_secs_f64() * 1e3
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[test]
fn a_build_that_misbehaves_is_ended_with_its_reason() {
    let mut up = Binary::new(TOW);
    let plane = up.start().url;
    let good = example("hello-static");
    let url = up.deploy(good.path())["url"].as_str().unwrap().to_string();
    let cases = [
        (
            "forks without end",
            "f() { f | f & }; f; sleep 60",
            "    timeout: 60s\n    limits:\n      processes: 64\n",
            "wanted more and was ended",
        ),
        (
            "eats memory",
            "(while sleep 0.1; do head -c 20000000 /dev/zero; done) | tail >/dev/null",
            "    timeout: 60s\n    limits:\n      memory: 200Mi\n",
            "200 MiB of memory",
        ),
        (
            "fills the disk",
            "i=0; while :; do i=$((i+1)); head -c 20000000 /dev/zero >f$i; sleep 0.1; done",
            "    timeout: 60s\n    limits:\n      disk: 50Mi\n",
            "more than 50 MiB of disk",
        ),
        ("hangs", "sleep 1000", "    timeout: 2s\n", "longer than 2s"),
    ];
    for (what, command, build, expected) in cases {
        // Quiet and beside the build in turn, as often each: what else the machine does meets both alike.
        let (mut quiet, mut busy, mut requests) = (Vec::new(), Vec::new(), 0);
        for round in 0..ROUNDS {
            let folder = with(&format!("{command} # {round}"), build);
            let mut deploy = up.command(["deploy", folder.path().to_str().unwrap()]);
            let mut deploy = deploy.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            // The verb's own beginning, a program of whoever deploys, is not what is measured.
            until("it builds", || {
                !up.role("builder").is_empty() || deploy.try_wait().unwrap().is_some()
            });
            let beside = ask(&plane, |_| deploy.try_wait().unwrap().is_some());
            let done = deploy.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(!done.status.success(), "{what}: {text}");
            assert!(text.contains(expected), "{what}: {expected:?} in {text}");
            assert_eq!(get(&url, "/").0, 200, "{what}: the old one goes on serving");
            quiet.push(p99(ask(&plane, |count| count >= beside.len())));
            requests += beside.len();
            busy.push(p99(beside));
        }
        let (quiet, busy) = (middle(quiet), middle(busy));
        println!(
            "measured: beside a build that {what}, the control plane's p99 is {busy:.1} ms; quiet {quiet:.1} ms; ratio \
             {:.1} (the middle of {ROUNDS}, taken in turn; {requests} requests)",
            busy / quiet
        );
    }
}

#[test]
fn secrets_are_for_the_build_alone() {
    let up = Binary::up(TOW);
    let said = "    secrets: [API_KEY]\n";
    let show = "mkdir out; echo \"key=$API_KEY file=$(cat $TOW_SECRETS/API_KEY)\"; echo page >out/index.html";
    let folder = with(show, said);
    let dir = folder.path().to_str().unwrap();
    let refused = up.tow(["deploy", dir]);
    assert!(refused.err.contains("does not have") && refused.err.contains("API_KEY"), "{refused}");
    let good = example("hello-static");
    up.deploy(good.path());
    up.tow(["config", "set", "-c", "hello-static", "API_KEY=s3cr3t-value-here"]).exits(0);
    let done = up.tow(["deploy", dir]).exits(0);
    let text = format!("{}{}", done.out, done.err);
    assert!(text.contains("key=••• file=•••"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
    let folder = with("mkdir out; echo \"$API_KEY\" >out/index.html", said);
    let refused = up.tow(["deploy", folder.path().to_str().unwrap()]).exits(1);
    assert!(refused.err.contains("the value of the build secret API_KEY"), "{refused}");
    assert!(!refused.err.contains("s3cr3t"), "{refused}");
}

#[test]
fn a_build_without_a_network_reaches_nothing() {
    let alone = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).args(["/bin/true"]).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !alone("bwrap", &["--dev-bind", "/", "/", "--unshare-net", "--"])
        && !alone("unshare", &["--net", "--"])
    {
        not_run("a build without a network: this machine can't keep one from it");
        return;
    }
    let up = Binary::up(TOW);
    let command = "mkdir out; grep -v -e lo: -e '|' /proc/net/dev >out/index.html || true; \
                   [ ! -s out/index.html ] && echo alone >out/index.html";
    let folder = with(command, "    network: off\n");
    let url = up.deploy(folder.path())["url"].as_str().unwrap().to_string();
    assert!(get(&url, "/").1.contains("alone"), "{}", get(&url, "/").1);
}

#[test]
fn a_build_is_ended_when_somebody_asks() {
    let up = Binary::up(TOW);
    let folder = with("sleep 1000", "");
    let begun = up.json(&["build", folder.path().to_str().unwrap(), "--detach"]);
    let id = begun["id"].as_str().unwrap();
    up.tow(["build", "cancel", id]).exits(0);
    let mut tries = 0;
    loop {
        let log = up.tow(["logs", "--build", id]);
        let shown = up.tow(["build", "cancel", id, "-o", "json"]).exits(0).json();
        if shown["finished"] == true {
            assert!(shown["failure"].as_str().unwrap().contains("cancelled"), "{shown}");
            break;
        }
        tries += 1;
        assert!(tries < 600, "it does not end: {log}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
