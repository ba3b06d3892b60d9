//! Under fire: a hundred requests a second through good deploys, failing ones and a control plane that is killed. Not one
//! request may fail.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, served, status};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Done, until};
use tow_testkit::load::Load;

const RATE: u32 = 100;
const GOOD: usize = 20;
const FAILING: usize = 5;
/// After so many good deploys.
const KILLS: [usize; 3] = [4, 11, 17];
const GOOD_ONE: &str = "replicas: 2\nhealth: {deadline: 60s}\nstop: {grace: 2s, drain: 10s}";
const FAILING_ONE: &str = "replicas: 2\nhealth: {deadline: 1s}\nstop: {grace: 2s, drain: 10s}";

/// Runs a change; where `kill` says so, the control plane dies in the middle of it and is started again.
fn change(up: &mut Binary, args: &[&str], kill: Option<Duration>) -> Done {
    let child = up.command(args.iter().chain(&["-o", "json"])).spawn().unwrap();
    if let Some(after) = kill {
        let began = Instant::now();
        while began.elapsed() < after {
            std::thread::park_timeout(after.saturating_sub(began.elapsed()));
        }
        up.end(Signal::KILL);
        up.start();
    }
    let done = child.wait_with_output().unwrap();
    Done {
        status: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

#[test]
fn no_request_fails_through_deploys_failures_and_kills() {
    let mut up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    ferry.delivery = GOOD_ONE.into();
    ferry.write();
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("release 1"));
    let mut paths = vec!["/".to_string(); 49];
    paths.push("/slow".into());
    let load = Load { origin: url.trim_end_matches('/').to_string(), paths, rate: RATE }.begin();

    let folder = ferry.text();
    let mut failing = 0;
    for good in 0..GOOD {
        // In turn: a new source, a new configuration, fresh instances.
        let value = format!("TIDE={good}");
        let args: Vec<&str> = match good % 3 {
            0 => {
                ferry.source(&good.to_string());
                vec!["deploy", &folder]
            }
            1 => vec!["config", "set", &value, "-c", "ferry"],
            _ => vec!["restart", "-c", "ferry"],
        };
        // At different moments of the rollout.
        let kill = KILLS.iter().position(|at| *at == good);
        let kill = kill.map(|n| Duration::from_millis(60 + 120 * n as u64));
        let done = change(&mut up, &args, kill);
        if kill.is_some() && done.status != 0 {
            // It was killed before it had been told.
            assert!(done.err.contains("\"client/"), "{args:?}: {done}");
            until("what was begun is done", || {
                let now = status(&up, "ferry");
                now["state"] == "live"
            });
            change(&mut up, &args, None).exits(0);
        } else {
            assert_eq!(done.status, 0, "{args:?}: {done}");
        }
        if good % (GOOD / FAILING) == 1 {
            let health = ["fail", "hang", "exit", "mute", "fail"][failing];
            failing += 1;
            ferry.delivery = FAILING_ONE.into();
            ferry.set("HEALTH", health);
            let done = change(&mut up, &["deploy", &folder], None).exits(1);
            assert!(done.err.contains("\"rollout/"), "{health}: {done}");
            ferry.delivery = GOOD_ONE.into();
            ferry.set("HEALTH", "");
        }
    }
    assert_eq!(failing, FAILING);
    let report = load.end();
    println!("measured: {report}; {GOOD} deploys, {FAILING} failing ones, {} kills", KILLS.len());
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(report.answered, report.asked);
    // Two instances each: the load was answered by what was deployed meanwhile, not by one old release.
    assert!(report.bodies.len() > GOOD, "{} instances answered", report.bodies.len());
    assert_eq!(status(&up, "ferry")["instances"], serde_json::json!({"ready": 2, "wanted": 2}));
}
