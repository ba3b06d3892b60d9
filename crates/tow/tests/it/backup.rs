//! Backup, restore, drill and copy with the real binary: what comes back is what was there; whoever is killed on the way
//! leaves nothing or all; what can't be restored is refused with a reason, and nothing is written.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, served, status};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Done, not_run, until};

/// A place of its own with a passphrase in a file.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("tow-backup-").tempdir().unwrap();
        std::fs::write(dir.path().join("passphrase"), "a barge on the canal\n").unwrap();
        std::fs::write(dir.path().join("other"), "a barge on the river\n").unwrap();
        Self { dir }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
    /// Makes a backup.
    fn backup(&self, up: &Binary, name: &str) -> Done {
        up.tow([
            "backup",
            &self.text(name),
            "-o",
            "json",
            "--passphrase-file",
            &self.text("passphrase"),
        ])
    }
    /// Restores it into the directory of `to`.
    fn restore(&self, to: &Binary, name: &str, passphrase: &str) -> Done {
        let args = ["restore", &self.text(name), "-o", "json"];
        let passphrase = self.text(passphrase);
        to.tow(args.iter().copied().chain(["--passphrase-file", passphrase.as_str()]))
    }
    fn drill(&self, up: &Binary, name: &str) -> Done {
        let (file, room) = (self.text(name), self.text("."));
        let secret = self.text("passphrase");
        up.tow([
            "backup",
            "drill",
            &file,
            "--in",
            &room,
            "-o",
            "json",
            "--passphrase-file",
            &secret,
        ])
    }
}

/// Everything that is kept, as one value; the platform is down, or nothing is written.
fn dump(data: &Path) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let at = tow_store::Location::File(data.join("tow.db"));
        let store = tow_store::Store::look(&at).await.unwrap();
        let dump = store.dump().await.unwrap();
        store.close().await;
        dump
    })
}

/// The names of all blobs; each is the digest of its bytes.
fn blobs(data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(data.join("blobs")).unwrap().flatten() {
        for blob in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let name = blob.file_name().into_string().unwrap();
            let bytes = std::fs::read(blob.path()).unwrap();
            assert_eq!(tow_names::Digest::of(&bytes).hex(), name);
            found.push(name);
        }
    }
    found.sort();
    found
}

fn keys(data: &Path) -> Vec<u8> {
    std::fs::read(data.join("keys/keys")).unwrap()
}

/// A platform with a bit of everything: two releases, configuration, people.
fn lived_in() -> (Binary, Ferry, String) {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    // What the Score file says itself comes before configuration.
    ferry.set("GREETING", "");
    up.tow(["apply", "-f", &organisation(&up)]).exits(0);
    up.deploy(ferry.path());
    up.tow(["config", "set", "GREETING=from configuration", "SECRET=hunter2", "-c", "ferry"])
        .exits(0);
    ferry.source("2");
    let done = up.deploy(ferry.path());
    let url = done["url"].as_str().unwrap().to_string();
    (up, ferry, url)
}

fn organisation(up: &Binary) -> String {
    let path = up.home().join("organisation.yaml");
    let mut text = String::new();
    for n in 0..120 {
        text.push_str(&format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: barge-{n}\n  \
             description: {n} tonnes\nspec:\n  type: service\n  lifecycle: production\n  owner: crew\n"
        ));
    }
    text.push_str(
        "---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: crew\nspec:\n  type: team\n  children: []\n",
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn what_is_restored_is_what_was_backed_up() {
    let desk = Desk::new();
    let (mut up, _ferry, _) = lived_in();
    up.end(Signal::TERM);
    // Down: nothing moves, so everything must be equal.
    let made = desk.backup(&up, "one.tar").exits(0).json();
    assert_eq!(made["head"], dump(up.data())["events"].as_array().unwrap().len());
    assert_eq!(made["damaged"], serde_json::json!([]));
    let to = Binary::new(TOW).on(desk.path("restored"));
    let restored = desk.restore(&to, "one.tar", "passphrase").exits(0).json();
    assert_eq!(restored["summary"]["blobs"], blobs(up.data()).len());
    assert_eq!(dump(to.data()), dump(up.data()));
    assert_eq!(blobs(to.data()), blobs(up.data()));
    assert_eq!(keys(to.data()), keys(up.data()));
    assert!(!desk.path("restored.restoring").exists());
    let well = to.tow(["doctor"]).exits(0);
    assert!(well.out.contains("0 to be mended"), "{well}");
    // And once more out of the restored one: the same rows, the same blobs.
    let again = desk.backup(&to, "two.tar").exits(0).json();
    assert_eq!(again["summary"], made["summary"]);
}

#[test]
fn under_writes_a_backup_is_of_one_moment_and_the_restored_platform_goes_on() {
    let desk = Desk::new();
    let (up, _ferry, url) = lived_in();
    let token = up.json(&["token", "create", "kept"])["token"].as_str().unwrap().to_string();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (mut made, mut wrote) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let path = up.home().join("barge.yaml");
            let mut count = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                count += 1;
                let text = format!(
                    "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: busy\n  description: \"{count} times\"\n\
                     spec:\n  type: service\n  lifecycle: production\n  owner: crew\n"
                );
                std::fs::write(&path, text).unwrap();
                up.tow(["apply", "-f", &path.display().to_string()]).exits(0);
            }
            count
        });
        for n in 0..3 {
            made.push(desk.backup(&up, &format!("{n}.tar")).exits(0).json());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        wrote = writing.join().unwrap();
    });
    println!("measured: {wrote} applies while three backups were made");
    assert!(served(&url).contains("from configuration"), "nothing was disturbed");
    for n in 0..3 {
        let drilled = desk.drill(&up, &format!("{n}.tar")).exits(0).json();
        assert_eq!(drilled["holds"], true, "{drilled}");
        let whats: Vec<_> = drilled["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["what"].as_str().unwrap())
            .collect();
        assert_eq!(whats, ["file", "restore", "structure", "rows", "blobs", "audit", "live"]);
    }
    let left: Vec<_> = std::fs::read_dir(desk.dir.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 5, "a drill takes everything away: {left:?}");

    let mut to = Binary::new(TOW).on(desk.path("restored"));
    desk.restore(&to, "2.tar", "passphrase").exits(0);
    let head = made[2]["head"].as_i64().unwrap();
    let log = |data: &Path| {
        let dump = dump(data);
        let events = dump["events"].as_array().unwrap().clone();
        events.into_iter().take(usize::try_from(head).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(log(to.data()), log(up.data()));
    // Both are up: the restored one puts others in the place of processes that are not there.
    to.start();
    until("the ferry is live there", || status(&to, "ferry")["state"] == "live");
    let there = status(&to, "ferry")["port_url"].as_str().unwrap().to_string();
    until("it serves what was configured", || {
        crate::ferry::try_get(&there, "/").is_ok_and(|a| a.1.contains("from configuration"))
    });
    for list in [
        &["get", "components"][..],
        &["releases", "-c", "ferry"],
        &["config", "list", "-c", "ferry"],
    ] {
        let (one, other) = (up.json(list), to.json(list));
        let known = |value: &Value| {
            // Written after that backup.
            let mut items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            items.retain(|item| !item.to_string().contains("busy"));
            items
        };
        assert_eq!(known(&one), known(&other), "{list:?}");
    }
    to.tow(["audit", "verify"]).exits(0);
    // A token from before holds on both.
    let url = to.ready.clone().unwrap().url;
    let mut asked = to.command(["whoami", "-o", "json"]);
    let asked = asked.env("TOW_TOKEN", &token).env("TOW_URL", url).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    assert!(served(status(&up, "ferry")["port_url"].as_str().unwrap()).contains("release 2"));
}

#[test]
fn what_can_not_be_restored_is_refused_and_nothing_is_written() {
    let desk = Desk::new();
    let mut up = Binary::up(TOW);
    up.end(Signal::TERM);
    desk.backup(&up, "one.tar").exits(0);
    let good = std::fs::read(desk.path("one.tar")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(desk.path(name), bytes).unwrap();
    let mut changed = good.clone();
    let at = good.windows(9).position(|w| w == b"/default/").unwrap_or(good.len() / 2);
    changed[at] ^= 1;
    write("changed.tar", &changed);
    write("cut.tar", &good[..good.len() - 3000]);
    write("holiday.tar", &[7; 5000]);
    let newer = String::from_utf8_lossy(&good[512..2048]).replace("\"format\": 1", "\"format\": 7");
    let mut later = good.clone();
    later[512..512 + 1024].copy_from_slice(&newer.as_bytes()[..1024]);
    write("later.tar", &later);
    let to = Binary::new(TOW).on(desk.path("restored"));
    let listed = || {
        let mut names: Vec<_> =
            std::fs::read_dir(desk.dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let before = listed();
    for (name, passphrase, code, exit, word) in [
        ("one.tar", "other", "backup/passphrase", 3, "passphrase"),
        ("changed.tar", "passphrase", "backup/changed", 1, "store/"),
        ("cut.tar", "passphrase", "backup/truncated", 1, "cut off"),
        ("holiday.tar", "passphrase", "backup/not-a-backup", 2, "not a backup"),
        ("later.tar", "passphrase", "backup/newer", 3, "newer"),
        ("gone.tar", "passphrase", "backup/file", 1, "gone.tar"),
        ("one.tar", "missing", "backup/no-passphrase", 2, "missing"),
    ] {
        let refused = desk.restore(&to, name, passphrase).exits(exit);
        let problem = refused.problem();
        assert_eq!(problem["code"], code, "{name}: {refused}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{problem}");
        assert_eq!(listed(), before, "{name}: nothing is written");
    }
    std::fs::create_dir(desk.path("restored")).unwrap();
    std::fs::write(desk.path("restored/mine"), "x").unwrap();
    let refused = desk.restore(&to, "one.tar", "passphrase").exits(5);
    assert_eq!(refused.problem()["code"], "backup/not-empty");
    assert_eq!(std::fs::read_dir(desk.path("restored")).unwrap().count(), 1);
    std::fs::remove_file(desk.path("restored/mine")).unwrap();
    // An empty directory gives way.
    desk.restore(&to, "one.tar", "passphrase").exits(0);
    // Nothing is written over.
    let again = desk.backup(&up, "one.tar").exits(5);
    assert_eq!(again.problem()["code"], "backup/exists");
    assert_eq!(std::fs::read(desk.path("one.tar")).unwrap(), good);
    let drilled = desk.drill(&up, "changed.tar").exits(1);
    assert_eq!(drilled.problem()["code"], "backup/changed");
    let none = Binary::new(TOW);
    assert_eq!(desk.backup(&none, "none.tar").exits(4).problem()["code"], "host/no-data");
}

/// Starts a command and kills it after a while; it may have ended before.
fn killed(mut child: Child, after: Duration) {
    let began = Instant::now();
    while began.elapsed() < after && child.try_wait().unwrap().is_none() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn killed_anywhere_there_is_nothing_or_all() {
    const TIMES: u32 = 14;
    let desk = Desk::new();
    let (mut up, _ferry, _) = lived_in();
    up.end(Signal::TERM);
    let began = Instant::now();
    desk.backup(&up, "whole.tar").exits(0);
    let long = began.elapsed();
    let secret = desk.text("passphrase");
    let spawn = |up: &Binary, args: &[&str]| {
        let mut command =
            up.command(args.iter().copied().chain(["--passphrase-file", secret.as_str()]));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut whole = 0;
    for n in 1..=TIMES {
        let file = desk.text(&format!("{n}.tar"));
        killed(spawn(&up, &["backup", &file]), long * n / (TIMES - 1));
        if Path::new(&file).exists() {
            whole += 1;
            desk.drill(&up, &format!("{n}.tar")).exits(0);
        }
    }
    println!("measured: backup killed {TIMES} times, {whole} were whole by then");
    // What the dead left does not stand in the way.
    std::fs::write(desk.path("part.tar.part"), "half").unwrap();
    desk.backup(&up, "part.tar").exits(0);

    let wanted = dump(up.data());
    let began = Instant::now();
    let to = Binary::new(TOW).on(desk.path("first"));
    desk.restore(&to, "whole.tar", "passphrase").exits(0);
    let long = began.elapsed();
    let mut whole = 0;
    let to = Binary::new(TOW).on(desk.path("restored"));
    for n in 1..=TIMES {
        killed(spawn(&to, &["restore", &desk.text("whole.tar")]), long * n / (TIMES - 1));
        if to.data().exists() {
            whole += 1;
            assert_eq!(dump(to.data()), wanted);
            assert_eq!(blobs(to.data()), blobs(up.data()));
            std::fs::remove_dir_all(to.data()).unwrap();
        }
    }
    println!("measured: restore killed {TIMES} times, {whole} were whole by then");
    desk.restore(&to, "whole.tar", "passphrase").exits(0);
    assert_eq!(dump(to.data()), wanted);
    assert!(!desk.path("restored.restoring").exists(), "what the dead left is gone");
}

#[test]
fn a_full_disk_leaves_no_backup_and_says_so() {
    let desk = Desk::new();
    let (mut up, _ferry, _) = lived_in();
    up.end(Signal::TERM);
    let before = dump(up.data());
    let small = desk.path("small");
    std::fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=300k tmpfs \"$1\" || { echo not-mounted; exit 0; }; \
                  \"$2\" backup \"$1/b.tar\" --passphrase-file \"$3\" --data \"$4\" -o json; \
                  echo \"exit $?\"; ls \"$1\" | wc -l";
    let ran = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh"])
        .args([&small, Path::new(TOW), &desk.path("passphrase"), up.data()])
        .output();
    let Ok(ran) = ran else { return not_run("backup on a full disk: there is no unshare here") };
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if out.contains("not-mounted") || out.is_empty() {
        return not_run(&format!("backup on a full disk: no small disk can be mounted: {err}"));
    }
    assert!(out.contains("exit 1\n0"), "no file is left: {out} {err}");
    assert!(err.contains("backup/disk-full"), "{err}");
    assert_eq!(dump(up.data()), before);
}

#[test]
fn by_the_clock_backups_are_made_kept_and_missed_ones_are_told() {
    let desk = Desk::new();
    let mut up = Binary::new(TOW);
    let (dir, secret) = (desk.text("shelf"), desk.text("passphrase"));
    let weak = desk.path("weak");
    std::fs::write(&weak, "short").unwrap();
    let refused = up
        .try_start(
            &[
                "--backup-every",
                "1s",
                "--backup-dir",
                &dir,
                "--backup-passphrase-file",
                weak.to_str().unwrap(),
            ],
            &[],
        )
        .unwrap_err();
    assert!(refused.err.contains("backup/passphrase-short"), "{refused}");
    up.try_start(
        &[
            "--backup-every",
            "1s",
            "--backup-dir",
            &dir,
            "--backup-keep",
            "2",
            "--backup-passphrase-file",
            &secret,
        ],
        &[],
    )
    .unwrap();
    let listed = |up: &Binary| up.json(&["backup", "list", &dir]).as_array().unwrap().clone();
    let events = |up: &Binary, kind: &str| {
        up.tow(["events", "-o", "json"]).exits(0).out.matches(&format!("\"{kind}\"")).count()
    };
    until("some were made", || events(&up, "backup.made") >= 4);
    let files = listed(&up);
    assert!((1..=3).contains(&files.len()), "the newest two stay: {files:?}");
    let newest = PathBuf::from(files[0]["file"].as_str().unwrap());
    // One that can't be made is an event, and the doctor's business, until one is made again.
    std::fs::rename(desk.path("passphrase"), desk.path("aside")).unwrap();
    until("one was missed", || events(&up, "backup.failed") >= 1);
    let ill = |up: &Binary| {
        let found = up.json(&["doctor"]);
        let last = found.as_array().unwrap().iter().find(|f| f["check"] == "backup.last").cloned();
        last.unwrap()["state"] == "warn"
    };
    until("the doctor names it", || ill(&up));
    assert!(newest.exists(), "what was made stays");
    std::fs::rename(desk.path("aside"), desk.path("passphrase")).unwrap();
    until("it goes on", || !ill(&up));
    up.end(Signal::TERM);
    let unasked = up.tow(["backup", "prune", &dir, "--keep", "1", "-o", "json"]);
    if unasked.status != 0 {
        // There is something to be taken away, and nobody says yes.
        assert_eq!(unasked.exits(2).problem()["code"], "host/not-confirmed");
    }
    let before = listed(&up).len();
    let would = up.json(&["backup", "prune", &dir, "--keep", "1", "--dry-run"]);
    assert!(would["would_remove"].is_array());
    assert_eq!(listed(&up).len(), before);
    let yaml = up.tow(["backup", "list", &dir, "-o", "yaml"]).exits(0).out;
    assert!(yaml.starts_with("- file:"), "{yaml}");
    let pruned = up.json(&["backup", "prune", &dir, "--keep", "1", "--yes"]);
    assert!(pruned["removed"].is_array());
    assert_eq!(listed(&up).len(), 1);
    let name = listed(&up)[0]["file"].as_str().unwrap().to_string();
    let room = desk.text(".");
    up.tow(["backup", "drill", &name, "--in", &room, "--passphrase-file", &secret]).exits(0);
}

#[test]
fn a_store_moves_to_postgres_and_back_and_the_platform_goes_on_there() {
    let database = match tow_postgres::database() {
        Ok(database) => database,
        Err(why) => return not_run(&format!("tow store copy to Postgres: {why}")),
    };
    let desk = Desk::new();
    let (mut up, _ferry, url) = lived_in();
    let running = up.tow(["store", "copy", "--to", &database.url(), "-o", "json"]).exits(5);
    assert_eq!(running.problem()["code"], "copy/running");
    up.end(Signal::TERM);
    let wanted = dump(up.data());
    let copied = up.json(&["store", "copy", "--to", &database.url()]);
    let rows = copied["tables"]["tables"]["event"]["rows"].as_u64().unwrap();
    assert_eq!(rows, wanted["events"].as_array().unwrap().len() as u64);
    assert!(!copied.to_string().contains("password"), "{copied}");
    assert_eq!(dump(up.data()), wanted, "the source is as it was");
    let full = up.tow(["store", "copy", "--to", &database.url(), "-o", "json"]).exits(5);
    assert_eq!(full.problem()["code"], "copy/not-empty");
    // Back into a file: the same rows.
    let back = desk.path("back");
    std::fs::create_dir(&back).unwrap();
    let to = format!("sqlite:{}", back.join("tow.db").display());
    up.tow(["store", "copy", "--from", &database.url(), "--to", &to]).exits(0);
    assert_eq!(dump(&back), wanted);
    // It goes on there with the same directory: who runs is adopted.
    assert!(served(&url).contains("release 2"));
    up.try_start(&["--database", &database.url()], &[]).unwrap();
    until("it is live", || status(&up, "ferry")["state"] == "live");
    assert!(served(&url).contains("release 2"));
    // A backup of what is on the server restores into a file, and onto another server's database.
    let (file, secret) = (desk.text("pg.tar"), desk.text("passphrase"));
    let from = ["--database", &database.url()].map(str::to_string);
    let args = ["backup", file.as_str(), "--passphrase-file", secret.as_str()];
    up.tow(args.iter().map(ToString::to_string).chain(from)).exits(0);
    up.end(Signal::TERM);
    let other = tow_postgres::database().unwrap();
    let to = Binary::new(TOW).on(desk.path("restored"));
    let args = ["restore", &file, "--passphrase-file", &secret, "--database", &other.url()];
    to.tow(args).exits(0);
    assert!(!to.data().join("tow.db").exists());
    // Whoever died between the database's commit and the directory's name goes on where they stopped.
    std::fs::remove_dir_all(to.data()).unwrap();
    let again = to.tow(args).exits(0);
    assert!(again.out.contains("held just that already"), "{again}");
    assert!(again.out.contains("--database postgres://"), "{again}");
    let refused = Binary::new(TOW).on(desk.path("third"));
    // The directory knows where everything is kept now: nobody works on the old file by mistake.
    let kept = up.data().join("database");
    assert!(!std::fs::read_to_string(&kept).unwrap().contains("password"));
    for done in [
        up.try_start(&[], &[]).expect_err("without its database"),
        desk.backup(&up, "file.tar"),
        up.tow(["doctor", "-o", "json"]),
        to.tow(["doctor", "-o", "json"]),
    ] {
        let problem = done.exits(3).problem();
        assert_eq!(problem["code"], "host/another-store", "{problem}");
        assert!(problem["hint"].as_str().unwrap().contains("--database postgres://"), "{problem}");
    }
    std::fs::remove_file(&kept).unwrap();
    desk.backup(&up, "file.tar").exits(0);
    let third = ["restore", &desk.text("file.tar"), "--passphrase-file", &secret, "-o", "json"];
    let onto = ["--database", &other.url()].map(str::to_string);
    let done = refused.tow(third.iter().map(ToString::to_string).chain(onto)).exits(5);
    assert_eq!(done.problem()["code"], "store/not-empty");
    assert!(!refused.data().exists());
}
