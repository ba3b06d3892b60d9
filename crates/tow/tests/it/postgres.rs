//! The real program with its store on a real Postgres: all of what one does on a file, a death and a start, a second
//! control plane, and a server that refuses, stops and comes back.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, pids, served, status};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tow_postgres::{Database, Server};
use tow_testkit::binary::{Binary, Done, not_run, until};

/// A database; none, and said so, where the machine has no Postgres.
fn database() -> Option<Database> {
    tow_postgres::database().map_err(|why| not_run(&format!("tow up on Postgres: {why}"))).ok()
}

#[track_caller]
fn start(up: &mut Binary, url: &str) {
    if let Err(done) = up.try_start(&["--database", url], &[]) {
        panic!("tow up: {done}");
    }
}

/// A platform on this database, with a ferry that is live; the ferry's address.
fn lived_in(database: &Database) -> (Binary, Ferry, String) {
    let mut up = Binary::new(TOW);
    start(&mut up, &database.url());
    let ferry = Ferry::patient("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("one release 1"));
    (up, ferry, url)
}

fn group(name: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: {name}\n\
         spec:\n  type: team\n  children: []\n"
    )
}

/// `tow apply` of a group.
fn declare(up: &Binary, name: &str) -> Done {
    let file = up.home().join(format!("{name}.yaml"));
    std::fs::write(&file, group(name)).unwrap();
    up.tow(["apply", "-f", &file.display().to_string(), "-o", "json"])
}

fn names(found: &Value) -> Vec<&str> {
    let items = found.as_array().unwrap_or_else(|| panic!("{found}"));
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

/// It ended before it was ready, with this code; nothing of a password is in what it said.
#[track_caller]
fn refused(up: &mut Binary, url: &str, code: &str, exit: i32) -> Value {
    let done = up.try_start(&["--database", url], &[]).expect_err(code).exits(exit);
    assert!(!done.err.contains("password-"), "{done}");
    let problem = done.problem();
    assert_eq!(problem["code"], code, "{done}");
    for said in ["detail", "hint", "untouched"] {
        assert!(problem[said].as_str().is_some_and(|text| !text.is_empty()), "{said}: {done}");
    }
    assert_eq!(done.out, "");
    problem
}

#[test]
fn the_platform_is_the_same_on_postgres() {
    let Some(database) = database() else { return };
    let (mut up, mut ferry, url) = lived_in(&database);
    assert!(!up.data().join("tow.db").exists(), "there is one store");
    // The catalog: declared, found, counted, searched.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/organisation");
    up.tow(["apply", "-f", &examples.display().to_string()]).exits(0);
    let found = up.json(&["get", "components", "-w", "type=service tag:rust", "--order", "-name"]);
    assert_eq!(names(&found), ["hello-rust"], "{found}");
    let all = up.json(&["get", "components", "--order", "name"]);
    assert!(names(&all).is_sorted() && names(&all).contains(&"ferry"), "{all}");
    let facets = up.json(&["get", "facets", "type", "-w", "kind=component"]).to_string();
    assert!(facets.contains("service") && facets.contains("website"), "{facets}");
    let words = up.json(&["search", "greets", "standard"]);
    assert_eq!(names(&words), ["hello-python"], "{words}");
    // The log: proved, and followed from its beginning.
    until("all is sealed", || {
        let proof = up.tow(["audit", "verify", "-o", "json"]);
        proof.status == 0 && proof.json()["whole"] != Value::Bool(false)
    });
    let last = up.json(&["audit", "list", "--limit", "1"])[0]["seq"].as_i64().unwrap();
    let mut follow = up.command(["events", "-f", "--after", "0", "-o", "json"]);
    let mut follower = follow.spawn().unwrap();
    let told = std::io::BufReader::new(follower.stdout.take().unwrap());
    // The other way round it would wait for one more.
    for (wanted, line) in (1..=last).zip(std::io::BufRead::lines(told)) {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(event["seq"], wanted, "each once, in order");
    }
    follower.kill().unwrap();
    follower.wait().unwrap();

    // Killed, it takes its own lease back at once: nobody waits for the time it was held until.
    let (before, was) = (pids(&up, "ferry"), lease(&database));
    up.end(Signal::KILL);
    assert!(served(&url).contains("one release 1"));
    start(&mut up, &database.url());
    let now = lease(&database);
    assert_eq!((&now.0, now.1), (&was.0, was.1 + 1), "the same holder, the next epoch");
    assert_eq!(pids(&up, "ferry"), before, "what ran is adopted");
    assert_eq!(status(&up, "ferry")["state"], "live");
    assert_eq!(names(&up.json(&["search", "greets", "standard"])), ["hello-python"]);
    ferry.set("GREETING", "two").source("2");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    up.tow(["audit", "verify"]).exits(0);
}

/// Holder and epoch of the control lease.
fn lease(database: &Database) -> (String, i64) {
    let row = database.sql("SELECT epoch, holder FROM lease WHERE name = 'control'");
    let (epoch, holder) = row.split_once('|').unwrap();
    (holder.to_string(), epoch.parse().unwrap())
}

#[test]
fn of_two_platforms_on_one_database_the_second_is_told_of_the_first() {
    let Some(database) = database() else { return };
    let (mut first, mut ferry, url) = lived_in(&database);
    let mut second = Binary::new(TOW);
    for _ in 0..2 {
        let problem = refused(&mut second, &database.url(), "host/held", 5);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&lease(&database).0), "who: {detail}");
        let year = detail.split("until ").nth(1).and_then(|until| until.split('-').next());
        assert!(year.is_some_and(|year| year.parse::<i32>().is_ok_and(|n| n > 2000)), "{detail}");
    }
    second.gone();
    // The first was not disturbed.
    assert!(first.has_ended().is_none());
    assert_eq!(status(&first, "ferry")["state"], "live");
    ferry.set("GREETING", "two").source("2");
    first.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    assert_eq!(lease(&database).1, 1, "nobody took it meanwhile");
    // Only once the first is dead, and its lease has ended, another takes over; the first is told when it comes back.
    first.end(Signal::KILL);
    // It needs the keys that everything is sealed with: with fresh ones it would open nothing.
    until("the lease ended", || {
        let refused = second.try_start(&["--database", &database.url()], &[]).unwrap_err();
        refused.problem()["code"] == "keys/missing"
    });
    std::fs::copy(first.data().join("keys/keys"), second.data().join("keys/keys")).unwrap();
    until("the lease ended", || second.try_start(&["--database", &database.url()], &[]).is_ok());
    assert_eq!(lease(&database).1, 2);
    assert!(served(&url).contains("two release 2"), "what served still serves");
    refused(&mut first, &database.url(), "host/held", 5);
}

#[test]
fn a_database_that_can_not_be_used_is_said() {
    let Some(database) = database() else { return };
    let server = database.server();
    let mut up = Binary::new(TOW);
    let wrong = server.url_as("tow", "password-that-is-wrong", database.name());
    refused(&mut up, &wrong, "store/login", 1);
    refused(&mut up, &server.url("absent"), "store/no-database", 1);
    let nobody = "postgres://tow:password-of-nobody@127.0.0.1:1/tow";
    refused(&mut up, nobody, "store/unreachable", 1);
    let odd = up.try_start(&["--database", "mysql://tow:password-x@localhost/tow"], &[]);
    let odd = odd.unwrap_err().exits(2);
    assert!(!odd.err.contains("password-x"), "{odd}");
    up.gone();
    start(&mut up, &database.url());
    declare(&up, "crew").exits(0);
    up.end(Signal::TERM);
    read_only(&database, true);
    refused(&mut up, &database.url(), "store/read-only", 1);
    read_only(&database, false);
    start(&mut up, &database.url());
    assert_eq!(names(&up.json(&["get", "groups", "-w", "name=crew"])), ["crew"]);
}

/// As a standby answers, from the next connection on.
fn read_only(database: &Database, on: bool) {
    let name = database.name();
    let setting = if on { "on" } else { "off" };
    database
        .server()
        .tell(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {setting}"));
    database.cut();
}

#[test]
fn what_the_database_can_not_do_for_a_while_is_said_and_nothing_stops() {
    // A server of its own: it is stopped.
    let server = match Server::start() {
        Ok(server) => Arc::new(server),
        Err(why) => return not_run(&format!("a Postgres server that stops: {why}")),
    };
    let database = server.fresh(&[]).unwrap();
    let (mut up, mut ferry, url) = lived_in(&database);
    let running = pids(&up, "ferry");

    // Only to be read: reads are answered, writes are refused, and it goes on when it can be written again.
    read_only(&database, true);
    until("it is read-only", || {
        let done = declare(&up, "early");
        done.status == 1 && done.problem()["code"] == "store/read-only"
    });
    assert_eq!(status(&up, "ferry")["state"], "live");
    read_only(&database, false);
    until("it can be written again", || declare(&up, "crew").status == 0);

    server.stop();
    let done = declare(&up, "late").exits(1);
    let problem = done.problem();
    assert_eq!(problem["code"], "store/unreachable", "{done}");
    assert_eq!(problem["status"], 503, "{done}");
    for said in ["detail", "hint", "untouched"] {
        assert!(problem[said].as_str().is_some_and(|text| !text.is_empty()), "{said}: {done}");
    }
    assert!(!done.err.contains("password"), "{done}");
    let read = up.tow(["get", "groups", "-o", "json"]).exits(1);
    assert_eq!(read.problem()["code"], "store/unreachable", "{read}");
    assert!(served(&url).contains("one release 1"), "workloads don't ask the store");
    // A workload that dies meanwhile is not started again by a control plane that can't write down that it did.
    assert!(up.has_ended().is_none(), "it waits for the server: {}", up.words());

    server.again();
    until("it writes again", || declare(&up, "late").status == 0);
    assert_eq!(pids(&up, "ferry"), running, "nothing was started or stopped");
    ferry.set("GREETING", "two").source("2");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    up.tow(["audit", "verify"]).exits(0);
    assert_eq!(lease(&database).1, 1, "its lease was kept or renewed, and taken by nobody");

    // Stopped while the control plane is dead: it says so, and starts once the server is back.
    up.end(Signal::KILL);
    server.stop();
    refused(&mut up, &database.url(), "store/unreachable", 1);
    assert!(served(&url).contains("two release 2"));
    server.again();
    start(&mut up, &database.url());
    until("it is live", || status(&up, "ferry")["state"] == "live");
}
