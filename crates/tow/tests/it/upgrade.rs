//! `tow upgrade`: another build takes the running platform's place while it is asked all the time; one that can't is
//! refused, and nothing changes.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what was measured is a result")]

use crate::ferry::{Ferry, TOW, pids, served, status, try_get};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tow_gateway::EdgeClient;
use tow_ports::Edge as _;
use tow_testkit::binary::{Binary, until};
use tow_testkit::load::Load;

/// The same program as another build: it is told from the first by when it was written.
pub(crate) fn another_build(up: &Binary, name: &str) -> PathBuf {
    let path = up.home().join(name);
    std::fs::copy(TOW, &path).unwrap();
    path
}

/// Something else that is called so.
pub(crate) fn script(up: &Binary, name: &str, text: &str) -> PathBuf {
    let path = up.home().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub(crate) fn build(up: &Binary) -> String {
    let file = std::fs::read(up.data().join("run/platform.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    file["build"].as_str().unwrap().to_string()
}

pub(crate) fn upgrade(up: &Binary, to: &Path) -> tow_testkit::binary::Done {
    up.tow(["upgrade", "-o", "json", "--to", &to.display().to_string()])
}

#[test]
fn another_build_takes_over_without_a_request_lost() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["url"].as_str().unwrap().to_string();
    let (programs, first) = (pids(&up, "ferry"), build(&up));
    let gateway = up.role("gateway");
    // By its own port: whoever asks needs no name.
    let kept = std::fs::read(up.data().join("run/gateway/routes.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let port = kept["ports"].as_object().unwrap().values().next().unwrap().as_u64().unwrap();
    let load = Load {
        origin: format!("http://127.0.0.1:{port}"),
        paths: vec!["/".into(), "/?ms=300".into()],
        rate: 100,
    };
    let load = load.begin();
    until("it is asked", || load.asked() > 50);
    let began = Instant::now();
    let done = upgrade(&up, &another_build(&up, "tow-2")).exits(0).json();
    let took = began.elapsed();
    assert_eq!(done["changed"], true);
    assert_eq!(done["build"].as_str().unwrap(), build(&up));
    assert_ne!(build(&up), first);
    let mut events = up.json(&["events"]).as_array().unwrap().clone();
    events.retain(|event| {
        event["type"].as_str().or(event["kind"].as_str()) == Some("platform.upgraded")
    });
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].to_string().contains(&first) && events[0].to_string().contains(&build(&up)));
    // Which build somebody holds can be told, and what to do where it is another.
    let version = up.tow(["--version"]).exits(0).out;
    assert!(version.starts_with("tow ") && version.contains(&first), "{version}");
    let doctor = up.tow(["doctor", "-o", "json"]).json();
    let versions = doctor.as_array().unwrap().iter().filter(|one| one["check"] == "versions");
    let said: Vec<String> = versions.map(ToString::to_string).collect();
    assert!(said.iter().any(|one| one.contains("tow upgrade puts this one")), "{said:?}");
    let asked = load.asked();
    until("it goes on", || load.asked() > asked + 100);
    let report = load.end();
    assert!(report.failed.is_empty(), "{report}");
    println!(
        "measured: an upgrade under load: {} requests, 0 failed, slowest {:?}; the whole took {took:?}",
        report.asked, report.slowest
    );
    assert_eq!(pids(&up, "ferry"), programs, "workloads go on");
    until("one gateway is left", || up.role("gateway").len() == 1);
    assert_ne!(up.role("gateway"), gateway, "and it is another");
    assert!(up.role("gateway")[0].args[0].contains(&build(&up)));
    served(&url);
    // It is a platform like any other.
    ferry.source("two");
    up.deploy(ferry.path());
    served(&url);
    // The same again is nothing.
    let copy = up.data().join("bin").join(build(&up));
    assert_eq!(upgrade(&up, &copy).exits(0).json()["changed"], false);
}

#[test]
fn what_is_in_flight_outlasts_two_upgrades_and_a_deployment() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let url = status(&up, "ferry")["url"].as_str().unwrap().to_string();
    let before = served(&url);
    let asked = url.clone();
    let slow = std::thread::spawn(move || try_get(&asked, "/slow?ms=8000"));
    let edge = EdgeClient::new(up.data().join("run/gateway"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let in_flight = || {
        let seen = runtime.block_on(edge.observe()).unwrap();
        seen.targets.values().map(|counters| counters.in_flight).sum::<u64>()
    };
    until("it is in flight", || in_flight() == 1);
    upgrade(&up, &another_build(&up, "tow-2")).exits(0);
    assert_eq!(in_flight(), 1, "counted by whoever answers it");
    upgrade(&up, &another_build(&up, "tow-3")).exits(0);
    until("the one that answers it is left, and the last", || up.role("gateway").len() == 2);
    // What answered it is replaced, and not ended before it has answered.
    ferry.source("two");
    up.deploy(ferry.path());
    assert_ne!(served(&url), before);
    let (code, body) = slow.join().unwrap().unwrap();
    assert_eq!(code, 200, "{body}");
    until("one gateway is left", || up.role("gateway").len() == 1);
    assert_eq!(in_flight(), 0);
}

#[test]
fn what_can_not_take_over_is_refused_and_nothing_changes() {
    let mut up = Binary::up(TOW);
    let (before, gateway, pid) = (build(&up), up.role("gateway"), up.pid());
    let refused = |done: tow_testkit::binary::Done, code: &str, says: &str| {
        let problem = done.problem();
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        assert!(!problem["untouched"].as_str().unwrap().is_empty(), "{problem}");
    };
    refused(upgrade(&up, &script(&up, "broken", "exit 3")), "host/upgrade", "can't take over");
    refused(upgrade(&up, &script(&up, "other", "echo other 1.0")), "host/upgrade", "not tow");
    refused(upgrade(&up, Path::new("/nowhere/tow")), "host/upgrade", "can't take over");
    // One that leaves somebody behind who holds its output, and one that says more than a pipe takes.
    let kept = up.home().join("kept");
    let leaves = format!("sleep 1000 &\necho $! > {}; exit 3", kept.display());
    refused(upgrade(&up, &script(&up, "leaves", &leaves)), "host/upgrade", "does not run");
    let left = std::fs::read_to_string(kept).unwrap().trim().parse().unwrap();
    tow_testkit::binary::send(left, rustix::process::Signal::KILL);
    let talks = "head -c 300000 /dev/zero | tr '\\0' x; exit 0";
    refused(upgrade(&up, &script(&up, "talks", talks)), "host/upgrade", "not tow");
    // One that passes for tow and knows an older form of the store.
    let older = format!("case \"$1\" in --version) echo tow 0.0.1;; *) exec {TOW} \"$@\";; esac");
    let older = script(&up, "older", &older);
    let database = up.data().join("tow.db");
    ahead(&database);
    refused(upgrade(&up, &older), "store/newer-schema", "newer");
    assert_eq!((build(&up), up.role("gateway"), up.pid()), (before.clone(), gateway.clone(), pid));
    back(&database);
    // One that passes for tow and does not come up, because it can't keep a copy of itself: the place is given back to
    // one that is such a copy.
    upgrade(&up, &another_build(&up, "tow-2")).exits(0);
    let second = build(&up);
    let copy = up.data().join("bin").join(&before);
    let in_the_way = copy.with_extension("new");
    let dies = format!(
        "case \"$1\" in up) rm -f {}; mkdir {};; esac; exec {TOW} \"$@\"",
        copy.display(),
        in_the_way.display()
    );
    refused(upgrade(&up, &script(&up, "dies", &dies)), "host/upgrade", "did not come up");
    until("it is back", || up.tow(["status"]).status == 0);
    assert_eq!((build(&up), up.pid()), (second, pid), "the same process");
    assert!(up.has_ended().is_none());
    std::fs::remove_dir(in_the_way).unwrap();
}

#[test]
fn a_data_directory_may_be_known_by_another_path() {
    let home = tempfile::tempdir().unwrap();
    let (whole, link) = (home.path().join("whole"), home.path().join("link"));
    std::fs::create_dir(&whole).unwrap();
    std::os::unix::fs::symlink(&whole, &link).unwrap();
    let mut up = Binary::new(TOW).on(link);
    up.start();
    let first = build(&up);
    for name in ["tow-2", "tow-3"] {
        let done = upgrade(&up, &another_build(&up, name)).exits(0).json();
        assert_eq!(done["build"].as_str().unwrap(), build(&up));
    }
    let builds = std::fs::read_dir(up.data().join("bin")).unwrap().count();
    assert_eq!(builds, 3, "a copy a build");
    let copy = whole.join("bin").join(build(&up));
    assert_eq!(upgrade(&up, &copy).exits(0).json()["changed"], false);
    assert_ne!(build(&up), first);
}

#[test]
fn options_that_another_build_does_not_know_are_found_before() {
    let mut up = Binary::up(TOW);
    let (before, pid) = (build(&up), up.pid());
    let forgetful = "case \"$*\" in *--gateway*) echo \"error: unexpected argument '--gateway'\" >&2; exit 2;; esac";
    let forgetful = script(&up, "forgetful", &format!("{forgetful}\nexec {TOW} \"$@\""));
    let problem = upgrade(&up, &forgetful).problem();
    let why = problem["detail"].as_str().unwrap();
    assert!(why.contains("does not take the options") && why.contains("--gateway"), "{problem}");
    assert_eq!((build(&up), up.pid()), (before, pid));
    assert!(up.has_ended().is_none());
}

#[test]
fn a_second_upgrade_waits_its_turn_and_a_stray_signal_is_passed_by() {
    let mut up = Binary::up(TOW);
    let pid = up.pid();
    tow_testkit::binary::send(pid, rustix::process::Signal::USR2);
    until("it says so", || up.words().contains("SIGUSR2 without an order"));
    assert_eq!(up.tow(["status"]).status, 0);
    let (tried, may) = (up.home().join("tried"), up.home().join("may"));
    let slow = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.02; done; exit 3",
        tried.display(),
        may.display()
    );
    let slow = script(&up, "slow", &slow).display().to_string();
    let first = up.command(["upgrade", "-o", "json", "--to", &slow]).spawn().unwrap();
    until("the first tries its program", || tried.exists());
    let second = upgrade(&up, &another_build(&up, "tow-2"));
    assert_eq!(second.status, 5, "{second}");
    assert!(second.problem()["detail"].as_str().unwrap().contains("under way"), "{second}");
    std::fs::write(&may, "").unwrap();
    assert!(!first.wait_with_output().unwrap().status.success());
    upgrade(&up, &another_build(&up, "tow-3")).exits(0);
    assert_eq!(up.pid(), pid);
    assert!(up.has_ended().is_none());
}

#[test]
fn the_place_is_given_back_though_the_program_was_replaced_on_the_disk() {
    let bin = tempfile::tempdir().unwrap();
    let own = bin.path().join("tow");
    std::fs::copy(TOW, &own).unwrap();
    let mut up = Binary::new(own.to_str().unwrap());
    up.start();
    let (before, pid) = (build(&up), up.pid());
    // As a package manager does it.
    std::fs::copy(TOW, bin.path().join("new")).unwrap();
    std::fs::rename(bin.path().join("new"), &own).unwrap();
    let meta = std::fs::metadata(TOW).unwrap();
    let (size, at, part) = (meta.len(), meta.mtime(), meta.mtime_nsec());
    let in_the_way = up.data().join(format!("bin/tow-{size:x}-{at:x}-{part:x}.new"));
    let dies =
        format!("case \"$1\" in up) mkdir {};; esac; exec {TOW} \"$@\"", in_the_way.display());
    let problem = upgrade(&up, &script(&up, "dies", &dies)).problem();
    assert!(problem["detail"].as_str().unwrap().contains("did not come up"), "{problem}");
    until("it is back", || up.tow(["status"]).status == 0);
    assert_eq!((build(&up), up.pid()), (before, pid), "the same process");
    until("it says so", || up.words().contains("as it was"));
    assert!(up.has_ended().is_none());
}

/// The store as a binary one step ahead would leave it.
pub(crate) fn ahead(database: &Path) {
    sql(database, "INSERT INTO migration (number, name) VALUES (999, 'later')");
}

pub(crate) fn back(database: &Path) {
    sql(database, "DELETE FROM migration WHERE number = 999");
}

fn sql(database: &Path, statement: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::Connection as _;
        let url = format!("sqlite://{}", database.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}
