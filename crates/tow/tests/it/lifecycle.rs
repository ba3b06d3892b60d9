//! Where it runs, from start to stop: what ends with the control plane and what does not, who is adopted, what is said
//! when something is in the way.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, get, pids, served, status};
use rustix::process::Signal;
use std::time::Duration;
use tow_testkit::binary::{Binary, lives, send, until, until_within};

/// A sample whose toolchain has nothing compiled yet, beside three others.
const BUILT: Duration = Duration::from_secs(300);

/// A platform with one ferry, live; its URL.
fn with_ferry() -> (Binary, Ferry, String) {
    let up = Binary::up(TOW);
    let ferry = Ferry::new("ferry");
    let done = up.deploy(ferry.path());
    let url = done["url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("release 1"));
    (up, ferry, url)
}

#[test]
fn the_ready_line_says_where_everything_is() {
    let up = Binary::up(TOW);
    let ready = up.ready.clone().unwrap();
    assert_eq!(ready.pid, up.pid());
    assert_eq!(ready.data, up.data());
    for url in [&ready.url, &ready.gateway] {
        let port: u16 = url.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
        assert_ne!(port, 0);
    }
    assert!(ready.sign_in.unwrap().starts_with(&format!("{}/", ready.url)));
    assert_eq!(get(&ready.url, "/healthz").0, 200);
    assert_eq!(get(&ready.url, "/readyz").0, 200);
    assert_eq!(get(&ready.gateway, "/").0, 404, "the gateway routes nothing yet");
}

#[test]
fn the_sign_in_link_works_once() {
    let up = Binary::up(TOW);
    let link = up.ready.clone().unwrap().sign_in.unwrap();
    let url = link.clone();
    let path = link.splitn(4, '/').nth(3).unwrap();
    let path = format!("/{path}");
    let spent = |done: &(u16, String)| done.0 >= 400;
    // A link in a chat is fetched by whoever previews it: looking at it must not use it up.
    let first = get(&url, &path);
    assert!(!spent(&first), "{first:?}");
    let post = |path: &str| {
        let (page, token) = path.split_once("token=").unwrap();
        crate::ferry::post(&url, page, &format!("token={token}"))
    };
    let signed = post(&path);
    assert!(matches!(signed.0, 200 | 303), "{signed:?}");
    let again = post(&path);
    assert!(spent(&again), "it works once: {again:?}");
}

#[test]
fn terminate_and_hangup_leave_everything_serving_and_the_next_start_adopts_it() {
    let (mut up, _ferry, url) = with_ferry();
    let before = pids(&up, "ferry");
    let gateway = up.role("gateway");
    assert_eq!((before.len(), gateway.len()), (1, 1));
    for signal in [Signal::TERM, Signal::HUP] {
        let ended = up.end(signal);
        assert_eq!(ended.code(), Some(0), "{signal:?}");
        assert!(served(&url).contains("release 1"), "after {signal:?}");
        let down = up.tow(["status"]).exits(1);
        assert!(down.err.contains("client/not-running"), "{down}");
        let first = up.ready.clone().unwrap();
        let next = up.start();
        assert_eq!(next.gateway, first.gateway, "the gateway goes on where it was");
        assert_eq!(pids(&up, "ferry"), before, "adopted after {signal:?}");
        assert_eq!(up.role("gateway"), gateway);
        assert_eq!(status(&up, "ferry")["state"], "live");
        assert!(served(&url).contains("release 1"));
    }
}

#[test]
fn interrupt_stops_all_and_the_next_start_brings_it_back() {
    let (mut up, _ferry, _) = with_ferry();
    let ended = up.end(Signal::INT);
    assert_eq!(ended.code(), Some(0), "{}", up.words());
    up.gone();
    up.start();
    until("the ferry is back", || {
        let now = status(&up, "ferry");
        now["state"] == "live" && now["url"].as_str().is_some_and(|url| get(url, "/").0 == 200)
    });
    assert_eq!(status(&up, "ferry")["release"], 1);
}

#[test]
fn down_stops_all_with_and_without_a_control_plane() {
    let (mut up, _ferry, _) = with_ferry();
    let down = up.tow(["down"]).exits(0);
    assert!(down.out.contains("stopped"), "{down}");
    assert_eq!(up.ended().code(), Some(0), "the control plane ended by itself");
    up.gone();
    up.tow(["down"]).exits(0);
    up.start();
    until("the ferry is back", || status(&up, "ferry")["state"] == "live");
    up.end(Signal::KILL);
    assert!(!up.processes().is_empty(), "the workload goes on without a control plane");
    up.tow(["down"]).exits(0);
    up.gone();
}

#[test]
fn purge_wants_the_name_and_takes_everything() {
    let (mut up, _ferry, url) = with_ferry();
    let asked = up.tow(["down", "--purge"]).exits(2);
    assert!(asked.err.contains("host/not-confirmed") && asked.err.contains("--confirm data"));
    let wrong = up.tow(["down", "--purge", "--confirm", "date"]).exits(2);
    assert!(wrong.err.contains("host/not-confirmed"), "{wrong}");
    assert_eq!(up.tow(["down", "--confirm", "data"]).status, 2, "--confirm is for --purge");
    assert!(served(&url).contains("release 1"), "what was refused changed nothing");
    up.tow(["down", "--purge", "--confirm", "data"]).exits(0);
    up.ended();
    assert!(!up.data().exists());
    up.gone();
    let gone = up.tow(["down"]).exits(4);
    assert!(gone.err.contains("host/no-data"), "{gone}");
}

#[test]
fn a_killed_control_plane_settles_at_its_next_start() {
    let (mut up, mut ferry, url) = with_ferry();
    let before = pids(&up, "ferry");
    up.end(Signal::KILL);
    assert!(served(&url).contains("release 1"));
    up.start();
    assert_eq!(pids(&up, "ferry"), before, "mid-nothing, nothing changes");
    // Mid-deploy: it waits for a build that a file lets go on.
    let go = up.home().join("go");
    ferry.build = format!(
        "command: {}",
        serde_json::Value::from(format!("while [ ! -e {} ]; do sleep 0.05; done", go.display()))
    );
    ferry.set("GREETING", "two");
    let mut deploy = up.command(["deploy", &ferry.text()]).spawn().unwrap();
    until("the build runs", || !up.role("builder").is_empty());
    up.end(Signal::KILL);
    assert!(served(&url).contains("release 1"));
    std::fs::write(&go, "").unwrap();
    up.start();
    until("what was begun is done", || get(&url, "/").1.contains("two release 2"));
    until("it is live", || status(&up, "ferry")["state"] == "live");
    let followed = deploy.wait().unwrap();
    assert_eq!(followed.code(), Some(0), "who waited for it learns of it");
    assert_eq!(pids(&up, "ferry").len(), 1);
}

#[test]
fn a_killed_shim_is_replaced_and_its_workload_lives_on() {
    let (up, _ferry, url) = with_ferry();
    let before = pids(&up, "ferry");
    let instance = up.json(&["ps", "ferry"])[0]["instance"].as_str().unwrap().to_string();
    let shim = || {
        let shims = up.role("shim");
        shims.into_iter().find(|shim| shim.args.iter().any(|arg| arg.contains(&instance)))
    };
    let old = shim().unwrap();
    send(old.pid, Signal::KILL);
    until("another shim is in charge", || shim().is_some_and(|new| new.pid != old.pid));
    assert!(lives(u32::try_from(before[0]).unwrap()));
    until("it is known again", || status(&up, "ferry")["state"] == "live");
    assert_eq!(pids(&up, "ferry"), before, "the workload is the same process");
    assert!(served(&url).contains("release 1"));
    // Adopted for good: the new shim restarts it when it dies.
    send(u32::try_from(before[0]).unwrap(), Signal::KILL);
    until("it runs again", || {
        let now = pids(&up, "ferry");
        now.len() == 1
            && now != before
            && crate::ferry::try_get(&url, "/").is_ok_and(|a| a.0 == 200)
    });
}

#[test]
fn a_killed_gateway_is_started_again_on_the_same_ports() {
    let (up, _ferry, url) = with_ferry();
    let port_url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    assert!(served(&port_url).contains("release 1"));
    for _ in 0..3 {
        let old = up.role("gateway");
        assert_eq!(old.len(), 1, "{old:?}");
        send(old[0].pid, Signal::KILL);
        until("there is another", || {
            let now = up.role("gateway");
            now.len() == 1 && now[0].pid != old[0].pid
        });
        until("the name's URL answers", || {
            crate::ferry::try_get(&url, "/").is_ok_and(|answer| answer.0 == 200)
        });
        until("the port's URL answers", || {
            crate::ferry::try_get(&port_url, "/").is_ok_and(|answer| answer.0 == 200)
        });
    }
    assert_eq!(status(&up, "ferry")["port_url"], port_url.as_str());
}

#[test]
fn a_second_up_says_where_the_first_one_is() {
    let (up, _ferry, url) = with_ferry();
    let ready = up.ready.clone().unwrap();
    let second = up.tow(["up", "-o", "json"]).exits(0).json();
    assert_eq!(second["url"], ready.url.as_str());
    assert_eq!(second["gateway"], ready.gateway.as_str());
    assert_eq!(second["pid"], ready.pid);
    let text = up.tow(["up"]).exits(0);
    assert!(text.out.contains("already running") && text.out.contains(&ready.url), "{text}");
    assert!(served(&url).contains("release 1"));
}

#[test]
fn the_demo_answers_everywhere() {
    let mut up = Binary::new(TOW);
    up.try_start(&["--demo"], &[]).unwrap();
    // One built from Rust source and one static site always; the others where their tool is.
    let tools = [("cargo", "hello-rust"), ("python3", "hello-python"), ("node", "hello-node")];
    let there = |tool: &str| {
        let asked = std::process::Command::new(tool).arg("--version").output();
        asked.is_ok_and(|answer| answer.status.success())
    };
    let mut samples = vec!["hello-static"];
    for (tool, sample) in tools {
        if there(tool) {
            samples.push(sample);
        } else {
            tow_testkit::binary::not_run(&format!("{sample}: {tool} is not here"));
        }
    }
    assert!(samples.contains(&"hello-rust"));
    // `go version` knows no `--version`; where it is, its sample comes last.
    if std::process::Command::new("go").arg("version").output().is_ok() {
        samples.push("hello-go");
    }
    let mut answered = 0;
    for sample in samples {
        let line = || {
            let all = up.json(&["status"]);
            let all = all.as_array().unwrap().clone();
            all.into_iter().find(|line| line["component"] == sample && line["state"] == "live")
        };
        until_within(BUILT, &format!("{sample} is live"), || line().is_some());
        let line = line().unwrap();
        for url in ["url", "port_url"].map(|key| line[key].as_str().unwrap().to_string()) {
            assert_eq!(get(&url, "/").0, 200, "{sample} at {url}");
            answered += 1;
        }
    }
    println!("measured: {answered} URLs of the demo's samples answer 200");
}

#[test]
fn a_demo_brings_each_sample_once_and_never_over_what_is_there() {
    // Without a tool there is one sample, of files alone.
    let start = |up: &mut Binary| up.try_start(&["--demo"], &[("PATH", "/nowhere")]).unwrap();
    let mut up = Binary::new(TOW);
    start(&mut up);
    let notes = up.data().join("run/demo.done");
    let is_noted = || {
        let text = std::fs::read_to_string(&notes).unwrap_or_default();
        text.lines().any(|line| line == "hello-static")
    };
    until("it is deployed", &is_noted);
    up.tow(["config", "set", "-c", "hello-static", "MINE=1", "-q"]).exits(0);
    let own = up.home().join("own.yaml");
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {name: development, title: Mine}\n\
                spec: {tier: development, runtime: local}\n";
    std::fs::write(&own, text).unwrap();
    up.tow(["apply", "-f", &own.display().to_string(), "--take"]).exits(0);
    let stands = |up: &Binary| {
        let deployments = up.json(&["deployments", "hello-static"]);
        let title = up.json(&["get", "environment", "development"])["metadata"]["title"].clone();
        (deployments.as_array().unwrap().len(), title)
    };
    let mine = (2, serde_json::Value::from("Mine"));
    assert_eq!(stands(&up), mine);
    up.end(Signal::TERM);
    // A data directory of before demos noted anything: what is there is found by asking.
    std::fs::remove_file(&notes).unwrap();
    start(&mut up);
    until("it has looked", &is_noted);
    assert_eq!(stands(&up), mine);
    let other = crate::upgrade::another_build(&up, "tow-2");
    crate::upgrade::upgrade(&up, &other).exits(0);
    assert_eq!(stands(&up), mine);
    up.end(Signal::TERM);
    assert!(up.words().contains("workloads and gateway go on serving"), "{}", up.words());
}

#[test]
fn whoever_stops_it_says_what_became_of_it() {
    let mut up = Binary::up(TOW);
    let said = up.tow(["down"]).exits(0).out;
    assert!(said.contains("the control plane is down"), "{said}");
    assert!(up.ended().success());
    assert!(up.words().contains("told to end by tow down"), "{}", up.words());
    assert_eq!(up.tow(["down"]).exits(0).out, "nothing was running\n");
    up.start();
    up.end(Signal::TERM);
    assert!(up.words().contains("told to end by a signal"), "{}", up.words());
    let said = up.tow(["down", "--purge", "--confirm", "data"]).exits(0).out;
    let removed = format!("removed: {} and everything in it", up.data().display());
    assert!(said.contains("no control plane was running") && said.contains(&removed), "{said}");
}

/// A program of no isolation may stop what watches it: that is its own affair, and nobody else's.
#[test]
fn a_stopped_shim_holds_up_no_other_component() {
    let (up, _ferry, _) = with_ferry();
    let barge = Ferry::new("barge");
    let shim = |component: &str| {
        let rows = up.json(&["ps", component]);
        let id = rows[0]["instance"].as_str().unwrap().to_string();
        let of = |args: &[String]| args.iter().any(|arg| arg.contains(&id));
        up.role("shim").into_iter().find(|process| of(&process.args)).unwrap().pid
    };
    let first = shim("ferry");
    send(first, Signal::STOP);
    up.tow(["stop", "-c", "ferry", "--detach"]).exits(0);
    assert_eq!(up.deploy(barge.path())["state"], "live");
    until("the other has ended as well", || up.json(&["ps", "ferry"])[0].is_null());
    assert!(!lives(first), "it was ended, and another did what was asked");

    let second = shim("barge");
    send(second, Signal::STOP);
    until("another shim watches the program", || !lives(second));
    until("its program is still the same", || up.json(&["ps", "barge"])[0]["restarts"] == 0);
}

#[test]
fn what_is_to_be_run_before_a_stop_is_run_while_the_program_still_lives() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    let marks = up.home().join("marks");
    let command = format!("kill -0 $PPID && echo $TOW_INSTANCE >> {}", marks.display());
    ferry.delivery = format!("stop: {{grace: 5s, before: [sh, -c, \"{command}\"]}}");
    ferry.write();
    up.deploy(ferry.path());
    let instance = up.json(&["ps", "ferry"])[0]["instance"].as_str().unwrap().to_string();
    up.tow(["restart", "ferry"]).exits(0);
    let told = || std::fs::read_to_string(&marks).unwrap_or_default();
    assert_eq!(told().trim(), instance, "once, by the one that went");

    // One that takes too long, or can't be run, holds nobody up for longer than the grace.
    ferry.delivery = "stop: {grace: 1s, before: [sleep, \"60\"]}".into();
    ferry.write();
    up.deploy(ferry.path());
    let began = std::time::Instant::now();
    up.tow(["stop", "ferry"]).exits(0);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(up.json(&["ps", "ferry"]).as_array().map(Vec::len), Some(0));
}

#[test]
fn a_gateway_that_outlived_its_control_plane_is_given_https_and_keeps_where_it_is() {
    let mut up = Binary::new(TOW);
    let plain = up.try_start(&["--https", "off"], &[]).unwrap();
    assert_eq!(plain.https, None);
    up.end(Signal::TERM);
    let both = up.start();
    let https = both.https.clone().unwrap();
    assert_eq!(both.gateway, plain.gateway);
    let at = https.trim_start_matches("https://").to_string();
    assert!(std::net::TcpStream::connect(&at).is_ok(), "it is said once it listens");
    up.end(Signal::TERM);
    for (wanted, says) in [("off", "was to speak none"), ("127.0.0.1:1", "not at 127.0.0.1:1")] {
        let done = up.try_start(&["--https", wanted], &[]).unwrap_err();
        assert_eq!(done.status, 5, "{done}");
        assert!(done.err.contains("speaks HTTPS at") && done.err.contains(says), "{done}");
    }
    let same = up.try_start(&["--https", &at], &[]).unwrap();
    assert_eq!((same.https, same.gateway), (Some(https), both.gateway));
    let second = up.tow(["up", "--https", "off"]);
    assert_eq!(second.status, 5, "{second}");
}
