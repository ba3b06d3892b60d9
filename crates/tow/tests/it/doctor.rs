//! The doctor: each fault is made on a data directory and must be named, with its way out; what is safe is mended by
//! `--fix`, and nothing else is ever touched.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, served};
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tow_testkit::binary::{Binary, Done};

/// What the doctor found.
struct Found {
    done: Done,
    findings: Vec<Value>,
}

fn ask(up: &Binary, more: &[&str]) -> Found {
    let done = up.tow(["doctor", "-o", "json"].iter().chain(more));
    let findings = done.json().as_array().unwrap().clone();
    Found { done, findings }
}

impl Found {
    /// The findings of a check that are not well.
    fn ill(&self, check: &str) -> Vec<&Value> {
        let of = |f: &&Value| f["check"] == check && f["state"] != "ok";
        self.findings.iter().filter(of).collect()
    }

    /// The one that is not well; it says what was seen, why, and what to do.
    #[track_caller]
    fn named(&self, check: &str, state: &str, word: &str) {
        let ill = self.ill(check);
        let one = ill.iter().find(|f| f["seen"].as_str().unwrap().contains(word));
        let one = one.unwrap_or_else(|| panic!("{check} {word}: {}", self.done));
        assert_eq!(one["state"], state, "{one}");
        for field in ["cause", "fix"] {
            assert!(one[field].as_str().is_some_and(|text| text.len() > 8), "{field}: {one}");
        }
    }

    fn well(&self, check: &str) -> bool {
        self.ill(check).is_empty()
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// As if it had been left some days ago.
#[expect(clippy::disallowed_methods, reason = "files carry the machine's own time")]
fn age(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 86_400);
    std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
}

/// All paths below, with their modes and lengths.
fn everything(dir: &Path) -> Vec<(PathBuf, u32, u64)> {
    let (mut found, mut rest) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(next) = rest.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                rest.push(path.clone());
            }
            // The database's own files grow and go with whoever looks into it.
            let own = path.to_string_lossy().contains("tow.db-");
            if !own {
                found.push((path, meta.permissions().mode(), meta.len()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_platform_that_never_was_is_no_fault() {
    let up = Binary::new(TOW);
    let found = ask(&up, &[]);
    assert_eq!(found.done.status, 0, "{}", found.done);
    assert!(!up.data().exists(), "looking makes nothing");
    let checks: std::collections::BTreeSet<_> =
        found.findings.iter().map(|f| f["check"].as_str().unwrap()).collect();
    for check in ["disk.space", "disk.kind", "ports.api", "clock.now", "machine.cgroups", "tools"] {
        assert!(checks.contains(check), "{check} in {checks:?}");
    }
    let text = up.tow(["doctor"]).exits(0);
    assert!(text.out.contains("0 to be mended"), "{text}");
}

#[test]
fn a_platform_that_is_well_is_found_well_and_not_disturbed() {
    let up = Binary::up(TOW);
    let ferry = Ferry::new("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    let head = || up.json(&["events"]).as_array().map(Vec::len);
    let (before, events) = (everything(&up.data().join("keys")), head());
    let began = std::time::Instant::now();
    let found = ask(&up, &["--fix"]);
    println!("measured: tow doctor beside a running platform {} ms", began.elapsed().as_millis());
    assert_eq!(found.done.status, 0, "{}", found.done);
    for check in ["platform.file", "data.permissions", "store.whole", "store.lease", "ports.api"] {
        assert!(found.well(check), "{check}: {}", found.done);
    }
    let file = found.findings.iter().find(|f| f["check"] == "platform.file").unwrap();
    assert!(file["seen"].as_str().unwrap().contains("is up"), "{file}");
    assert_eq!(everything(&up.data().join("keys")), before);
    assert_eq!(head(), events, "looking writes nothing");
    assert!(served(&url).contains("release 1"));
}

#[test]
fn faults_of_permissions_and_leftovers_are_named_and_mended_and_nothing_else_is_touched() {
    let mut up = Binary::up(TOW);
    // Dead without a word: its port file stays.
    up.end(Signal::KILL);
    let data = up.data().to_path_buf();
    let keys = data.join("keys/keys");
    set_mode(&keys, 0o644);
    set_mode(&data, 0o755);
    let orphan = data.join("run/i/i-0000");
    std::fs::create_dir_all(orphan.join("work")).unwrap();
    let build = data.join("run/b/build-op-0000");
    std::fs::create_dir_all(&build).unwrap();
    let half = data.join("run/platform.new");
    std::fs::write(&half, "{").unwrap();
    let strangers = [data.join("run/i/notes"), data.join("README"), up.home().join("precious")];
    for path in &strangers {
        std::fs::write(path, "mine").unwrap();
    }
    let young = data.join("run/i/i-young");
    std::fs::create_dir(&young).unwrap();
    // A link that looks like an orphan leads to what is not ours.
    let outside = up.home().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "mine").unwrap();
    std::os::unix::fs::symlink(&outside, data.join("run/i/i-link")).unwrap();
    for path in [&orphan, &build, &half, &outside] {
        age(path);
    }

    let found = ask(&up, &[]);
    assert_eq!(found.done.status, 1, "keys that others may read: {}", found.done);
    found.named("data.permissions", "fail", "keys/keys has mode 644");
    found.named("data.permissions", "warn", "has mode 755");
    found.named("platform.file", "warn", "is stale");
    found.named("orphans.instance", "warn", "i-0000");
    found.named("orphans.build", "warn", "build-op-0000");
    found.named("leftovers", "warn", "platform.new");
    assert_eq!(found.done.problem()["code"], "doctor/failed");
    assert_eq!(mode(&keys), 0o644, "it looks and does nothing unasked");

    let mended = ask(&up, &["--fix"]);
    assert_eq!(mended.done.status, 0, "{}", mended.done);
    let said = mended.findings.iter().filter(|f| f["fixed"].is_string()).count();
    assert!(said >= 6, "it says what it did: {}", mended.done);
    assert_eq!((mode(&keys), mode(&data)), (0o600, 0o700));
    for gone in [&orphan, &build, &half, &data.join("run/platform.json")] {
        assert!(!gone.exists(), "{}", gone.display());
    }
    for path in strangers.iter().chain([&outside.join("file")]) {
        assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
    }
    assert!(young.exists(), "what is young may be somebody's");
    let again = ask(&up, &[]);
    assert_eq!(again.done.status, 0, "{}", again.done);
    assert!(again.well("data.permissions") && again.well("platform.file"), "{}", again.done);
    for path in ["run/i/i-link", "run/i/notes"] {
        std::fs::remove_file(data.join(path)).unwrap();
    }
    up.start();
}

#[test]
fn faults_of_store_blobs_and_instances_are_named() {
    let mut up = Binary::up(TOW);
    let ferry = Ferry::new("ferry");
    up.deploy(ferry.path());
    let instance = up.json(&["ps", "ferry"])[0]["instance"].as_str().unwrap().to_string();
    up.end(Signal::KILL);
    let data = up.data().to_path_buf();
    assert_eq!(ask(&up, &[]).done.status, 0);

    // A blob that releases refer to is gone.
    let blob = everything(&data.join("blobs"))
        .into_iter()
        .find(|(path, ..)| path.file_name().unwrap().len() == 64);
    let (blob, ..) = blob.unwrap();
    let aside = up.home().join("blob");
    std::fs::rename(&blob, &aside).unwrap();
    ask(&up, &[]).named("orphans.blob", "fail", "1 blob gone");
    std::fs::rename(&aside, &blob).unwrap();

    // A process whose row nobody has: the store is that of another platform.
    let mut other = Binary::up(TOW);
    other.end(Signal::TERM);
    let kept = up.home().join("kept");
    std::fs::create_dir(&kept).unwrap();
    let files = ["tow.db", "tow.db-wal", "tow.db-shm"];
    for name in files {
        let _ = std::fs::rename(data.join(name), kept.join(name));
        if other.data().join(name).exists() {
            std::fs::copy(other.data().join(name), data.join(name)).unwrap();
        }
    }
    ask(&up, &[]).named("orphans.process", "warn", &instance);

    // A store that is damaged, and one that is something else.
    for name in files {
        let _ = std::fs::remove_file(data.join(name));
        let _ = std::fs::rename(kept.join(name), data.join(name));
    }
    let good = std::fs::read(data.join("tow.db")).unwrap();
    if good.len() >= 3 * 4096 {
        let mut bad = good.clone();
        for byte in &mut bad[4096..3 * 4096] {
            *byte = 0xA5;
        }
        std::fs::write(data.join("tow.db"), bad).unwrap();
        let found = ask(&up, &["--deep"]);
        assert_eq!(found.done.status, 1);
        assert!(!found.well("store.whole"), "{}", found.done);
    }
    std::fs::write(data.join("tow.db"), "this is no database, but it is long enough").unwrap();
    let found = ask(&up, &[]);
    assert!(!found.well("store.whole"), "{}", found.done);
    assert_eq!(found.done.status, 1);
    std::fs::write(data.join("tow.db"), good).unwrap();
}

#[test]
fn lost_keys_are_never_made_anew_in_silence() {
    let mut up = Binary::up(TOW);
    up.end(Signal::KILL);
    let (keys, aside) = (up.data().join("keys"), up.home().join("aside"));
    assert!(ask(&up, &[]).well("keys.fit"));
    std::fs::rename(&keys, &aside).unwrap();
    ask(&up, &[]).named("keys.fit", "fail", "is not there");
    let refused = up.try_start(&[], &[]).expect_err("without its keys").exits(3);
    assert_eq!(refused.problem()["code"], "keys/missing", "{refused}");
    assert!(!keys.join("keys").exists(), "no fresh ones are made");
    std::fs::remove_dir_all(&keys).unwrap();
    std::fs::rename(&aside, &keys).unwrap();
    assert!(ask(&up, &[]).well("keys.fit"));
    up.start();
    let sealed = || up.json(&["audit", "verify"])["seals"].as_i64().is_some_and(|count| count > 0);
    tow_testkit::binary::until("something is sealed", sealed);
    up.end(Signal::TERM);

    // Those of another platform.
    let mut other = Binary::up(TOW);
    other.end(Signal::TERM);
    let kept = std::fs::read(keys.join("keys")).unwrap();
    std::fs::copy(other.data().join("keys/keys"), keys.join("keys")).unwrap();
    let found = ask(&up, &[]);
    found.named("keys.fit", "fail", "others than the store was sealed with");
    assert_eq!(found.done.status, 1);
    let refused = up.try_start(&[], &[]).expect_err("with other keys").exits(3);
    assert_eq!(refused.problem()["code"], "keys/missing", "{refused}");
    std::fs::write(keys.join("keys"), kept).unwrap();
    up.start();

    let yaml = up.tow(["doctor", "-o", "yaml"]).exits(0).out;
    assert!(yaml.starts_with("- check: "), "{yaml}");
    // Somebody's file among the instances is none: everything ends all the same.
    std::fs::write(up.data().join("run/i/i-0123456789abcdef"), "").unwrap();
    std::fs::write(up.data().join("run/i/notes.txt"), "").unwrap();
    up.tow(["down"]).exits(0);
}

#[test]
fn whoever_holds_a_port_is_named_and_warnings_count_when_asked() {
    let up = Binary::new(TOW);
    // Another program may have it already: then that one is to be named.
    let own = std::net::TcpListener::bind("127.0.0.1:7070");
    let found = ask(&up, &["--strict"]);
    let held = found.ill("ports.api");
    assert_eq!(held.len(), 1, "{}", found.done);
    if own.is_ok() {
        let me = format!("process {}", std::process::id());
        assert!(held[0]["seen"].as_str().unwrap().contains(&me), "{}", held[0]);
    }
    assert_eq!(found.done.status, 1, "warnings count under --strict");
    assert_eq!(ask(&up, &[]).done.status, 0);
}

#[test]
fn copies_of_tow_that_nothing_runs_are_taken_away_and_no_other() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let bin = up.data().join("bin");
    let left = bin.join("tow-1a-2b-3c");
    std::fs::write(&left, "some build").unwrap();
    let copies: Vec<PathBuf> =
        std::fs::read_dir(&bin).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(copies.len(), 2);
    assert!(ask(&up, &[]).well("copies"), "what is young may be about to be run");
    copies.iter().for_each(|copy| age(copy));
    let found = ask(&up, &[]);
    found.named("copies", "warn", "tow-1a-2b-3c");
    assert_eq!(found.ill("copies").len(), 1, "{}", found.done);
    assert!(ask(&up, &["--fix"]).well("copies"));
    let kept: Vec<bool> = copies.iter().map(|copy| copy.exists()).collect();
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 1);
    assert!(!left.exists());
    // Down, what is to be started again is kept all the same.
    up.tow(["down"]).exits(0);
    ask(&up, &["--fix"]);
    assert!(copies.iter().any(|copy| copy.exists()));
}
