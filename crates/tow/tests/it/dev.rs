//! `tow dev` on the real binary: samples run from their own folder, with the environment's configuration, again at each
//! change; and nothing of it is left, there or here.

#![allow(clippy::print_stdout, reason = "what is measured is a result")]
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{TOW, example, get, try_get};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use tow_testkit::binary::{Binary, PATIENCE, not_run, send, until};

/// `tow dev` under way.
struct Dev {
    child: Child,
    said: mpsc::Receiver<Value>,
    all: Vec<Value>,
}

impl Dev {
    fn begin(up: &Binary, folder: &Path, more: &[&str]) -> Self {
        let args = ["dev", &folder.display().to_string(), "-o", "json"].map(ToString::to_string);
        let args = args.into_iter().chain(more.iter().map(ToString::to_string));
        let mut child = up.command(args).spawn().unwrap();
        let (sender, said) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::Null));
            }
        });
        Self { child, said, all: Vec::new() }
    }

    /// Until this happens; what was said of it.
    #[track_caller]
    fn happens(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        loop {
            let Ok(one) = self.said.recv_timeout(PATIENCE) else {
                panic!("never {what}, but {:#?}", self.all);
            };
            self.all.push(one.clone());
            let text = one["text"].as_str().unwrap_or_default();
            if one["what"] == what && holds(text) {
                return text.to_string();
            }
        }
    }

    #[track_caller]
    fn live(&mut self) -> String {
        self.happens("live", |_| true).trim_end_matches('/').to_string()
    }

    /// As Ctrl-C does.
    #[track_caller]
    fn end(mut self) -> Vec<Value> {
        send(self.child.id(), Signal::INT);
        until("tow dev has ended", || self.child.try_wait().unwrap().is_some());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.all.extend(self.said.iter());
        std::mem::take(&mut self.all)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that the platform keeps of what was declared and deployed.
fn kept(up: &Binary) -> Value {
    let of = ["releases", "deployments"].map(|verb| up.json(&[verb, "-c", "hello-python"]));
    of.into_iter().chain([up.json(&["ps"])]).collect::<Vec<_>>().into()
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// A secret of the environment's configuration.
const SECRET: &str = "s3cret-of-the-environment";

#[test]
fn a_sample_runs_here_with_what_the_environment_gives_it() {
    let up = Binary::up(TOW);
    let folder = example("hello-python");
    std::fs::remove_file(folder.path().join("tow.yaml")).unwrap();
    let score = folder.path().join("score.yaml");
    replace(
        &score,
        "GREETING: Hello from Python",
        "GREETING: \"Hello from ${resources.env.NAME}\"",
    );
    let text = std::fs::read_to_string(&score).unwrap();
    std::fs::write(&score, format!("{text}resources:\n  env:\n    type: environment\n")).unwrap();
    up.tow(["apply", "-f", &folder.path().join("catalog-info.yaml").display().to_string()]);
    up.tow(["config", "set", "-c", "hello-python", &format!("NAME={SECRET}")]).exits(0);
    let before = kept(&up);

    let mut dev = Dev::begin(&up, folder.path(), &[]);
    let url = dev.live();
    assert!(get(&url, "/").1.contains(SECRET), "it has the environment's configuration");

    // A change is there without anybody doing anything, at the same URL.
    replace(&folder.path().join("app.py"), "release {release}", "changed {release}");
    dev.happens("changed", |_| true);
    assert_eq!(dev.live(), url);
    assert!(get(&url, "/").1.contains("changed"));

    // What is broken is said, and is well again after the next change.
    replace(&folder.path().join("app.py"), "import os", "import os, nothing_like_this");
    dev.happens("ended", |text| text.contains("code 1"));
    replace(&folder.path().join("app.py"), "import os, nothing_like_this", "import os");
    assert_eq!(dev.live(), url);

    assert_eq!(kept(&up), before, "nothing of the environment is touched");
    let said = dev.end();
    assert!(try_get(&url, "/").is_err(), "nothing of it runs any more");
    let lines = serde_json::to_string(&said).unwrap();
    assert!(lines.contains("listening on"), "{lines}");
    assert!(!lines.contains(SECRET), "no value is shown: {lines}");
    let found = std::process::Command::new("grep")
        .args(["-rl", SECRET])
        .args([folder.path(), &std::env::temp_dir().join("tow-dev-none"), up.data()])
        .output()
        .unwrap();
    assert!(
        found.stdout.is_empty(),
        "no value is written: {}",
        String::from_utf8_lossy(&found.stdout)
    );
}

#[test]
fn who_may_not_read_the_configuration_runs_nothing() {
    let up = Binary::up(TOW);
    let folder = example("hello-static");
    let mut stranger = up.command(["dev", &folder.path().display().to_string(), "-o", "json"]);
    let done = stranger.env("TOW_TOKEN", "nobody").stdin(Stdio::null()).output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).lines().all(|line| !line.contains("live")));
}

/// Without tow.yaml: live here, and again after a change of one file; nothing is left.
fn sample(name: &str, file: &str, from: &str, to: &str) {
    let up = Binary::up(TOW);
    let folder = example(name);
    std::fs::remove_file(folder.path().join("tow.yaml")).unwrap();
    let mut dev = Dev::begin(&up, folder.path(), &[]);
    let url = dev.live();
    let before = get(&url, "/");
    assert_eq!(before.0, 200, "{before:?}");
    let began = std::time::Instant::now();
    replace(&folder.path().join(file), from, to);
    dev.happens("changed", |_| true);
    assert_eq!(dev.live(), url);
    // Without the sign of a placeholder.
    let words = to.trim_end_matches(|c: char| !c.is_alphanumeric());
    until("it is there", || try_get(&url, "/").is_ok_and(|(_, body)| body.contains(words)));
    println!(
        "measured: tow dev, {name}: a change is live after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    dev.end();
    assert!(try_get(&url, "/").is_err(), "nothing of it runs any more");
}

fn there(program: &str, ask: &str) -> bool {
    let there = std::process::Command::new(program).arg(ask).output().is_ok();
    if !there {
        not_run(&format!("tow dev with {program}: it is not installed"));
    }
    there
}

#[test]
fn a_site_is_shown_as_it_is_written() {
    sample("hello-static", "index.html", "</body>", "<p>written just now</p></body>");
}

#[test]
fn cargo_builds_and_builds_again() {
    sample("hello-rust", "src/main.rs", "release {", "just built {");
}

#[test]
fn go_builds_and_builds_again() {
    if there("go", "version") {
        sample("hello-go", "main.go", "release %", "just built %");
    }
}

#[test]
fn node_starts_again() {
    if there("node", "--version") {
        sample("hello-node", "server.js", "release $", "just started $");
    }
}
