//! `tow logs --requests`: what the gateway wrote down of requests, for those who may read a component's logs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::ferry::{Ferry, TOW, served, status};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use tow_testkit::binary::Binary;

fn ask(url: &str, path: &str, id: &str) {
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["request"].as_str().unwrap()).collect()
}

#[test]
fn the_access_log_is_read_by_component_by_id_and_as_it_comes() {
    let up = Binary::up(TOW);
    let [one, two] = ["ferry", "barge"].map(|name| {
        let folder = Ferry::patient(name);
        up.deploy(folder.path());
        let url = status(&up, name)["port_url"].as_str().unwrap().to_string();
        served(&url);
        url
    });
    ask(&one, "/a?secret=1", "mine-1");
    ask(&two, "/b", "theirs-1");
    up.tow(["maintenance", "on", "ferry"]).exits(0);
    ask(&one, "/c", "mine-2");

    // The id alone is enough, and it is there at once.
    let found = up.tow(["logs", "--request", "mine-2", "-o", "json"]).exits(0);
    let found = lines(&found.out);
    assert_eq!((ids(&found), &found[0]["status"]), (vec!["mine-2"], &503.into()));
    assert_eq!(found[0]["why"], "gateway/maintenance");
    let all = up.tow(["logs", "ferry", "--requests", "-o", "json"]).exits(0);
    assert!(!all.out.contains("secret"), "{all}");
    let all = lines(&all.out);
    assert!(ids(&all).ends_with(&["mine-1", "mine-2"]), "{all:?}");
    assert!(!ids(&all).contains(&"theirs-1"), "{all:?}");
    let failed = up.tow(["logs", "ferry", "--failed", "-o", "json"]).exits(0);
    assert_eq!(ids(&lines(&failed.out)), ["mine-2"]);
    let last = up.tow(["logs", "ferry", "--requests", "-n", "1"]).exits(0);
    assert!(last.out.contains(" 503 GET ") && last.out.trim_end().ends_with("mine-2"), "{last}");
    let none = up.tow(["logs", "--request", "nobody", "-o", "json"]).exits(4);
    assert_eq!(none.problem()["code"], "object/not-found", "{none}");

    // Whoever may read one component's logs sees nothing of the other's, by whatever they ask.
    let made = up.json(&["token", "create", "--only", "barge"]);
    let (token, url) = (made["token"].as_str().unwrap(), up.ready.clone().unwrap().url);
    let with = |args: &[&str]| -> Command {
        let mut command = up.command(args);
        command.env("TOW_TOKEN", token).env("TOW_URL", &url);
        command
    };
    let theirs = with(&["logs", "--request", "theirs-1", "-o", "json"]).output().unwrap();
    assert!(theirs.status.success(), "{theirs:?}");
    for hidden in [["logs", "--request", "mine-1"], ["logs", "ferry", "--requests"]] {
        let refused = with(&hidden).output().unwrap();
        assert!(matches!(refused.status.code(), Some(3 | 4)), "{refused:?}");
        assert!(refused.stdout.is_empty(), "{refused:?}");
    }

    // As they come.
    let mut follow = with(&["logs", "barge", "--requests", "-n", "1", "-f", "-o", "json"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut news = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || {
        let line: Value = serde_json::from_str(&news.next().unwrap().unwrap()).unwrap();
        line["request"].as_str().unwrap().to_string()
    };
    assert_eq!(next(), "theirs-1");
    ask(&two, "/d", "theirs-2");
    ask(&one, "/d", "mine-3");
    ask(&two, "/d", "theirs-3");
    assert_eq!([next(), next()], ["theirs-2", "theirs-3"]);
    follow.kill().unwrap();
    let _ = follow.wait();
}
