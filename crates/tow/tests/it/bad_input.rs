//! What people and programs get wrong, one test each: the exit status, a stable code, the place where it is about a
//! file, a way on; and what served goes on serving.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, get, served, status};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use tow_testkit::binary::{Binary, Done, lives, not_run, send, until};

/// A platform with one ferry, live; its URL.
fn with_ferry() -> (Binary, Ferry, String) {
    let up = Binary::up(TOW);
    let ferry = Ferry::new("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("one release 1"));
    (up, ferry, url)
}

/// It failed so, in both ways of saying it, and the old release serves.
#[track_caller]
fn refused(up: &Binary, args: &[&str], exit: i32, code: &str, says: &[&str], url: &str) -> Value {
    let text: Done = up.tow(args).exits(exit);
    assert!(text.err.contains(&format!("[{code}]")), "{code}: {text}");
    for word in says {
        assert!(text.err.contains(word), "{word}: {text}");
    }
    assert!(served(url).contains("one release 1"), "what served still serves");
    let json = up.tow(args.iter().chain(&["-o", "json"])).exits(exit);
    let problem = json.problem();
    let codes = problem["violations"].as_array().into_iter().flatten().map(|v| &v["code"]);
    assert!(codes.chain([&problem["code"]]).any(|found| *found == code), "{code}: {json}");
    assert!(served(url).contains("one release 1"), "what served still serves");
    problem
}

#[test]
fn a_port_in_use_is_said_or_the_next_one_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut up = Binary::new(TOW);
    for option in ["--listen", "--gateway"] {
        let done = up.try_start(&[option, &address], &[]).unwrap_err().exits(1);
        let problem = done.problem();
        assert_eq!(problem["code"], "host/port-in-use", "{option}: {done}");
        assert!(problem["detail"].as_str().unwrap().contains(&address), "{option}: {done}");
        assert!(problem["hint"].is_string(), "{option}: {done}");
        assert_eq!(done.out, "", "{option}");
    }
    up.gone();
    // Nobody said which: the usual one where it is free, else one after it.
    let usual = [TcpListener::bind("127.0.0.1:7070"), TcpListener::bind("127.0.0.1:7080")];
    let mut child = up.command(["up", "-o", "json"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    for (key, usual) in [("url", 7070_u16), ("gateway", 7080)] {
        let port: u16 = ready[key].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        assert!(port > usual && port <= usual + 20, "{key} {port}");
    }
    drop(usual);
    assert_eq!(up.tow(["status"]).status, 0, "the command line finds it all the same");
    send(child.id(), rustix::process::Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    up.gone();
}

#[test]
fn a_data_directory_in_use_is_said() {
    let (up, _ferry, url) = with_ferry();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let done = up.tow(["up", "--listen", &free]).exits(5);
    assert!(done.err.contains("[host/data-in-use]") && done.err.contains("hint:"), "{done}");
    assert!(done.err.contains(&up.data().display().to_string()), "{done}");
    assert!(served(&url).contains("one release 1"));
}

/// A mount namespace of its own with a small disk in it, for as long as it is kept.
pub(crate) struct SmallDisk(std::process::Child);

impl SmallDisk {
    pub(crate) fn new(place: &std::path::Path, megabytes: u64) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let mount = format!(
            "mount -t tmpfs -o size={megabytes}m,mode=0700 tmpfs {0} && echo mounted && exec sleep 1000",
            place.display()
        );
        let root = rustix::process::geteuid().is_root();
        let own: &[&str] = if root { &["--mount"] } else { &["--map-root-user", "--mount"] };
        let mut child = Command::new("unshare")
            .args(own)
            .args(["sh", "-c", &mount])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let disk = Self(child);
        (line == "mounted\n").then_some(disk)
    }

    /// What runs a command in there.
    pub(crate) fn enter(&self) -> Vec<String> {
        let mut enter = vec!["nsenter".to_string(), format!("--target={}", self.0.id())];
        if !rustix::process::geteuid().is_root() {
            enter.extend(["--user".into(), "--preserve-credentials".into()]);
        }
        enter.push("--mount".into());
        enter
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let place = tempfile::tempdir().unwrap();
    // Room for the copy of the program, and a little.
    let program = std::fs::metadata(TOW).unwrap().len() >> 20;
    let Some(disk) = SmallDisk::new(place.path(), program + 24) else {
        not_run("a full disk: a small one can't be mounted in a namespace of its own here");
        return;
    };
    let mut up = Binary::new(TOW).on(place.path().join("data")).inside(disk.enter());
    up.start();
    let mut ferry = Ferry::new("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    let fill = place.path().join("fill");
    let inside = |command: String| {
        let enter = disk.enter();
        let done = Command::new(&enter[0])
            .args(&enter[1..])
            .args(["sh", "-c", &command])
            .output()
            .unwrap();
        done.status.success()
    };
    let full = format!("dd if=/dev/zero of={} bs=4k", fill.display());
    assert!(!inside(full.clone()), "the disk is full");
    ferry.set("GREETING", "two").source("2");
    let done = up.tow(["deploy", &ferry.text(), "-o", "json"]).exits(1);
    let problem = done.problem();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&"store/full".into(), &507.into()),
        "{done}"
    );
    assert!(problem["hint"].as_str().unwrap().contains("space"), "{done}");
    assert!(served(&url).contains("one release 1"), "what served still serves");
    // Nor does it get lost when the control plane ends now.
    up.end(rustix::process::Signal::KILL);
    assert!(served(&url).contains("one release 1"), "what served still serves");
    inside(full);
    if let Err(done) = up.try_start(&[], &[]) {
        assert_eq!(done.status, 1, "{done}");
        assert_eq!(done.problem()["code"], "store/disk-full", "{done}");
        assert!(done.problem()["hint"].is_string(), "{done}");
        assert!(served(&url).contains("one release 1"), "what served still serves");
    } else {
        up.end(rustix::process::Signal::TERM);
    }
    assert!(inside(format!("rm {}", fill.display())));
    up.start();
    let done = up.deploy(ferry.path());
    assert_eq!(done["state"], "live");
    assert!(served(&url).contains("two release 2"));
    drop(up);
    drop(disk);
}

#[test]
fn an_unreadable_source_is_named() {
    let (up, ferry, url) = with_ferry();
    let path = ferry.text();
    let deploy = ["deploy", path.as_str()];
    let pipe = ferry.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&up, &deploy, 2, "source/special-file", &["pipe", "hint:"], &url);
    std::fs::remove_file(&pipe).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", ferry.path().join("outside")).unwrap();
    refused(&up, &deploy, 2, "source/link-leaves", &["outside", "hint:"], &url);
    std::fs::remove_file(ferry.path().join("outside")).unwrap();
    if rustix::process::geteuid().is_root() {
        not_run("a source without permission: root may read everything");
    } else {
        use std::os::unix::fs::PermissionsExt as _;
        let file = ferry.path().join("secret.txt");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
        refused(&up, &deploy, 2, "source/unreadable", &["secret.txt", "hint:"], &url);
        std::fs::remove_file(&file).unwrap();
    }
    // The Score file itself: one that leads to nothing, one that leads in a circle, one that is no file.
    let score = ferry.path().join("score.yaml");
    std::fs::remove_file(&score).unwrap();
    for target in ["nothing.yaml", "score.yaml"] {
        std::os::unix::fs::symlink(target, &score).unwrap();
        refused(&up, &deploy, 2, "file/unreadable", &["score.yaml"], &url);
        std::fs::remove_file(&score).unwrap();
    }
    refused(&up, &["deploy", "nowhere"], 2, "file/unreadable", &["nowhere", "hint:"], &url);
}

#[test]
fn a_build_that_never_ends_is_ended() {
    let (up, mut ferry, url) = with_ferry();
    ferry.build = "command: sleep 1000 & sleep 1000\ntimeout: 1s".into();
    ferry.write();
    let path = ferry.text();
    let deploy = ["deploy", path.as_str()];
    refused(&up, &deploy, 1, "rollout/build", &["longer than 1s", "hint:"], &url);
    until("nothing of the build is left", || {
        up.processes().iter().all(|process| !process.args.iter().any(|arg| arg == "1000"))
    });
    assert!(up.role("builder").is_empty());
    assert_eq!(status(&up, "ferry")["release"], 1);
}

#[test]
fn a_process_that_ignores_sigterm_is_ended_all_the_same() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    ferry.command = r#"["sh", "-c", "trap '' TERM; ./app & wait; sleep 1000"]"#.into();
    ferry.delivery = "health: {deadline: 5s}\nstop: {grace: 300ms, drain: 1s}".into();
    ferry.write();
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    let of = |up: &Binary| -> Vec<u32> {
        let all = up.processes().into_iter();
        all.filter(|p| p.args.iter().any(|arg| arg.contains("./app"))).map(|p| p.pid).collect()
    };
    let old = of(&up);
    assert_eq!(old.len(), 2, "the shell and its child");
    ferry.set("GREETING", "two");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    until("the old ones are gone", || old.iter().all(|pid| !lives(*pid)));
    up.json(&["stop", "-c", "ferry"]);
    until("all are gone", || of(&up).is_empty());
}

#[test]
fn a_probe_that_hangs_fails_the_rollout_by_its_deadline() {
    let (up, mut ferry, url) = with_ferry();
    ferry.set("HEALTH", "hang");
    let path = ferry.text();
    let deploy = ["deploy", path.as_str()];
    refused(&up, &deploy, 1, "rollout/deadline", &["/healthz", "no answer", "hint:"], &url);
    assert_eq!(up.json(&["ps", "ferry"]).as_array().unwrap().len(), 1, "nothing is left of it");
}

#[test]
fn a_line_of_ten_megabytes_is_kept_in_pieces() {
    let (up, mut ferry, url) = with_ferry();
    ferry.set("SAY", "long").set("GREETING", "two");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    let mut last = Done { status: 0, out: String::new(), err: String::new() };
    until("what came after it is in the log", || {
        last = up.tow(["logs", "-c", "ferry", "-n", "20", "-o", "json"]).exits(0);
        last.out.contains("after the long line") && last.out.contains("listening on")
    });
    for line in last.out.lines() {
        assert!(line.len() < 256 * 1024, "a piece has {} bytes", line.len());
        let _: Value = serde_json::from_str(line).unwrap();
    }
    assert!(last.out.contains("\"partial\":true"), "it says that the line goes on");
}

#[test]
fn binary_on_standard_output_is_shown_as_text() {
    let (up, mut ferry, url) = with_ferry();
    ferry.set("SAY", "bytes").set("GREETING", "two");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    until("what came after it is in the log", || {
        let logs = up.tow(["logs", "-c", "ferry", "-o", "json"]).exits(0);
        for line in logs.out.lines() {
            let _: Value = serde_json::from_str(line).unwrap();
        }
        logs.out.contains("after the bytes") && logs.out.contains("listening on")
    });
    // A program's bytes must not steer the terminal of whoever looks.
    let text = up.command(["logs", "-c", "ferry"]).output().unwrap().stdout;
    assert!(std::str::from_utf8(&text).is_ok());
    assert!(!text.contains(&0x1b) && !text.contains(&0), "control characters are made visible");
}

#[test]
fn a_score_file_of_ten_megabytes_is_refused_before_it_is_read() {
    let (up, ferry, url) = with_ferry();
    let score = ferry.path().join("score.yaml");
    let text = std::fs::read_to_string(&score).unwrap();
    std::fs::write(&score, format!("{text}# {}\n", "x".repeat(10 << 20))).unwrap();
    let path = ferry.text();
    let deploy = ["deploy", path.as_str()];
    refused(&up, &deploy, 2, "yaml/too-large", &["score.yaml", "hint:"], &url);
    // And whoever sends it past the command line is told before it is taken in.
    let ready = up.ready.clone().unwrap();
    let host = ready.url.trim_start_matches("http://");
    let token = std::fs::read_to_string(up.data().join("run/token")).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = 64 << 20;
    write!(
        stream,
        "POST /api/v1/plans HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
        token.trim()
    )
    .unwrap();
    let piece = vec![b' '; 1 << 20];
    // It may hang up while it is still being told.
    for _ in 0..64 {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(get(&ready.url, "/healthz").0, 200);
    assert!(served(&url).contains("one release 1"));
}

#[test]
fn yaml_bombs_do_not_go_off() {
    let (up, ferry, url) = with_ferry();
    let mut laughs = String::from("a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for level in 1..12 {
        let many = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{many}]\n"));
    }
    let deep = format!("a: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let merges = {
        let mut text = String::from("m0: &m0 {k: v}\n");
        for level in 1..40 {
            text.push_str(&format!(
                "m{level}: &m{level}\n  a{level}: *m{0}\n  b{level}: *m{0}\n",
                level - 1
            ));
        }
        text
    };
    let score = ferry.path().join("score.yaml");
    let path = ferry.text();
    let good = std::fs::read_to_string(&score).unwrap();
    for (bomb, codes) in [
        (laughs, ["yaml/alias", "yaml/too-many-values"]),
        (deep, ["yaml/too-deep", "yaml/syntax"]),
        (merges, ["yaml/alias", "yaml/too-many-values"]),
    ] {
        std::fs::write(&score, format!("{good}{bomb}")).unwrap();
        for args in [["deploy", path.as_str()], ["validate", path.as_str()]] {
            let done = up.tow(args).exits(2);
            assert!(codes.iter().any(|code| done.err.contains(&format!("[{code}]"))), "{done}");
            let place = done.err.split("score.yaml:").nth(1).unwrap_or_default();
            let mut numbers = place.split(':').take(2).map(str::parse::<u32>);
            assert!(numbers.by_ref().all(|n| n.is_ok_and(|n| n > 0)), "file:line:column: {done}");
        }
        assert!(served(&url).contains("one release 1"), "what served still serves");
    }
}

#[test]
fn of_two_deploys_of_one_component_one_is_told_to_wait() {
    let (up, mut ferry, url) = with_ferry();
    let go = up.home().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    ferry.build = format!("command: {}", Value::from(wait));
    ferry.set("GREETING", "two");
    let first = up.command(["deploy", &ferry.text(), "-o", "json"]).spawn().unwrap();
    until("the first one builds", || !up.role("builder").is_empty());
    let other = Ferry::new("ferry");
    let path = other.text();
    other.source("other");
    let deploy = ["deploy", path.as_str()];
    let problem = refused(&up, &deploy, 5, "operation/under-way", &["hint:"], &url);
    assert_eq!(problem["status"], 409);
    // Another component is nobody's business.
    let barge = Ferry::new("barge");
    assert_eq!(up.deploy(barge.path())["state"], "live");
    std::fs::write(&go, "").unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(served(&url).contains("two release 2"));
}

#[test]
fn a_plan_gone_stale_is_refused() {
    let (up, mut ferry, url) = with_ferry();
    ferry.set("GREETING", "two");
    let plan = up.json(&["plan", &ferry.text()]);
    up.json(&["scale", "ferry=2", "-c", "ferry"]);
    let apply = ["deploy", "--plan", plan["id"].as_str().unwrap()];
    let problem = refused(&up, &apply, 5, "plan/stale", &["ferry", "hint:"], &url);
    assert_eq!(problem["status"], 409);
    assert_eq!(status(&up, "ferry")["instances"]["ready"], 2);
}

#[test]
fn a_route_over_somebody_else_s_host_is_refused() {
    let up = Binary::up(TOW);
    let declared = |name: &str, owner: &str| {
        format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
             spec: {{type: service, lifecycle: production, owner: {owner}}}\n"
        )
    };
    let file = up.home().join("all.yaml");
    let all = [("shop", "quay"), ("cart", "quay"), ("thief", "lock")];
    let text: String = all.iter().map(|(name, owner)| declared(name, owner)).collect();
    std::fs::write(&file, text).unwrap();
    up.tow(["apply", "-f", file.to_str().unwrap()]).exits(0);
    let routed = |name: &str, path: &str| {
        let ferry = Ferry::patient(name);
        let score = ferry.path().join("score.yaml");
        let route = format!(
            "resources:\n  way:\n    type: route\n    params: {{host: shop.example.com, path: {path:?}, port: 8080}}\n"
        );
        let text = std::fs::read_to_string(&score).unwrap() + &route;
        std::fs::write(score, text).unwrap();
        ferry
    };
    let deploy = |ferry: &Ferry| up.tow(["deploy", &ferry.text()]);
    deploy(&routed("shop", "/")).exits(0);
    deploy(&routed("cart", "/cart")).exits(0);
    let refused = deploy(&routed("thief", "/login")).exits(3);
    // Both have it, and either may be named.
    let named = ["shop.example.com is shop's", "shop.example.com/cart is cart's"];
    assert!(named.iter().any(|said| refused.err.contains(said)), "{refused}");
    for path in ["", "login", "/../login"] {
        let refused = deploy(&routed("thief", path)).exits(3);
        assert!(refused.err.contains("plan/route-path"), "{path}: {refused}");
        assert!(refused.err.contains("score.yaml:"), "{path}: {refused}");
    }
}
