//! What `tow.yaml` says of a route holds at the gateway, and the gateway's log says who answered what, of which release.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::ferry::{Ferry, PATIENT, TOW, get, served, status};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use tow_testkit::binary::{Binary, until};

const RULES: &str = "routes:\n  web:\n    timeout: 20s\n    body: 1Ki\n    redirects:\n      /old/*: {to: /new/*, status: 302}";

/// The lines of the gateway's log.
fn log(up: &Binary) -> Vec<Value> {
    let file = up.data().join("run/gateway/access.log");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn raw(url: &str, request: &str) -> String {
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.replace("HOST", host).as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn rules_hold_and_the_log_says_who_answered() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    ferry.delivery = format!("{PATIENT}\n{RULES}");
    ferry.write();
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    served(&url);

    let led = raw(&url, "GET /old/a?b HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    assert!(led.starts_with("HTTP/1.1 302 ") && led.contains("location: /new/a?b\r\n"), "{led}");
    let large =
        "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n";
    assert!(raw(&url, large).starts_with("HTTP/1.1 413 "));
    let mine = "GET / HTTP/1.1\r\nHost: HOST\r\nX-Request-Id: mine-1\r\nConnection: close\r\n\r\n";
    assert!(raw(&url, mine).starts_with("HTTP/1.1 200 "));

    let find = |what: &dyn Fn(&Value) -> bool| {
        let mut found = None;
        until("the line is written", || {
            found = log(&up).into_iter().find(|line| what(line));
            found.is_some()
        });
        found.unwrap()
    };
    let line = find(&|line| line["request"] == "mine-1");
    let instances = up.json(&["ps", "ferry"]);
    let instance = instances[0]["id"].as_str().or(instances[0]["instance"].as_str());
    assert_eq!(line["instance"].as_str(), instance, "{instances}");
    assert_eq!((&line["release"], &line["deployment"]), (&1.into(), &1.into()));
    assert!(line["route"].as_str().unwrap().ends_with("/ferry/web"), "{line}");
    find(&|line| line["why"] == "gateway/body-too-large" && line["status"] == 413);
    find(&|line| line["why"] == "redirected");

    // The next release is named by its own number, and other rules hold at once.
    ferry.delivery = PATIENT.into();
    ferry.set("GREETING", "two");
    up.deploy(ferry.path());
    until("the new one answers", || served(&url).contains("two"));
    find(&|line| line["release"] == 2 && line["status"] == 200);
    assert!(
        !raw(&url, "GET /old/a HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")
            .contains(" 302 ")
    );
}

#[test]
fn what_can_not_hold_is_refused_with_its_place() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    let mut refused = |rules: &str| {
        ferry.delivery = format!("{PATIENT}\nroutes:\n  {rules}");
        ferry.write();
        let done = up.tow(["deploy", &ferry.text(), "-o", "json"]);
        let problem = done.problem();
        problem["violations"].to_string()
    };
    let open = refused("web: {redirects: {/old/*: {to: 'https://example.com*'}}}");
    assert!(open.contains("delivery/route") && open.contains("redirects/~1old~1*/to"), "{open}");
    let typo = refused("wbe: {timeout: 5s}");
    assert!(typo.contains("plan/route-unknown") && typo.contains("one of web"), "{typo}");
    assert!(up.json(&["ps"]).as_array().is_none_or(Vec::is_empty), "nothing was begun");
}

#[test]
fn proxies_are_believed_where_they_are_named() {
    let mut up = Binary::new(TOW);
    up.try_start(&["--trusted-proxy", "127.0.0.0/8"], &[]).unwrap();
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    assert_eq!(get(&url, "/").0, 200);
    let said = "GET / HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Request-Id: far\r\nConnection: close\r\n\r\n";
    assert!(raw(&url, said).starts_with("HTTP/1.1 200 "));
    until("the line is written", || {
        log(&up).iter().any(|line| line["request"] == "far" && line["client"] == "203.0.113.9")
    });
    let help = up.tow(["up", "--help"]).exits(0).out;
    let (plain, https) = help.split_once("\nHTTPS:").unwrap();
    for option in ["--trusted-proxy", "--host"] {
        assert!(plain.contains(option) && !https.contains(option), "{option}: {help}");
    }
    let bad = up.tow(["up", "--trusted-proxy", "10.0.0.0/99"]);
    assert!(bad.exits(2).err.contains("no network"));
}
