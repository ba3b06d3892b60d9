//! Each language's sample from source to live, and again after a change of one line: with the real binary and the real
//! tools. Commands are taken out of the samples, so that what runs is what was detected. Where a toolchain is missing,
//! what was not run is said.

#![allow(clippy::print_stdout, reason = "what is measured is a result")]
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{TOW, example, get};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tow_testkit::binary::{Binary, not_run};

/// A sample without its own words on how it is built and started.
fn bare(name: &str) -> tempfile::TempDir {
    let folder = example(name);
    let score = folder.path().join("score.yaml");
    let text = std::fs::read_to_string(&score).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("command:"));
    std::fs::write(&score, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let delivery = folder.path().join("tow.yaml");
    let text = std::fs::read_to_string(&delivery).unwrap();
    let said = |line: &&str| !line.starts_with("  build:") && !line.starts_with("    command:");
    std::fs::write(&delivery, text.lines().filter(said).collect::<Vec<_>>().join("\n") + "\n")
        .unwrap();
    folder
}

fn there(program: &str, ask: &str) -> bool {
    let done = Command::new(program).arg(ask).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = done.is_ok_and(|status| status.success());
    if !there {
        not_run(&format!("{program} is not here"));
    }
    there
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Live, then live again with one line changed. `alone` is what the tool takes by itself for the same change in a folder
/// where it has built before.
fn live_twice(name: &str, file: &str, from: &str, to: &str, says: &str, alone: Option<&[&str]>) {
    let up = Binary::up(TOW);
    let folder = bare(name);
    let done = up.deploy(folder.path());
    assert_eq!(done["state"], "live", "{name}: {done}");
    let (code, text) = get(done["url"].as_str().unwrap(), "/");
    assert_eq!(code, 200, "{text}");
    assert!(text.contains("release 1"), "{text}");
    let own = alone.map(|command| by_itself(folder.path(), file, (from, to), command));
    change(folder.path(), file, from, to);
    let began = Instant::now();
    let done = up.deploy(folder.path());
    let took = began.elapsed();
    assert_eq!(done["state"], "live", "{name}: {done}");
    let (code, text) = get(done["url"].as_str().unwrap(), "/");
    assert_eq!(code, 200, "{text}");
    assert!(text.contains(says), "{text}");
    match own {
        Some(own) => println!(
            "measured: {name}, second deploy after one line: {:.1} s; the tool alone: {:.1} s; ratio {:.1}",
            took.as_secs_f64(),
            own.as_secs_f64(),
            took.as_secs_f64() / own.as_secs_f64().max(0.001)
        ),
        None => println!(
            "measured: {name}, second deploy after one line: {:.1} s; there is no tool to wait for",
            took.as_secs_f64()
        ),
    }
}

/// What a tool takes to build the same change, where it has built before.
fn by_itself(
    folder: &Path,
    file: &str,
    (from, to): (&str, &str),
    command: &[&str],
) -> std::time::Duration {
    let copy = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-r").arg(folder).arg(copy.path().join("c")).status();
    assert!(done.unwrap().success());
    let copy = copy.path().join("c");
    let run = || {
        let mut tool = Command::new(command[0]);
        tool.args(&command[1..]).current_dir(&copy).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(tool.status().unwrap().success(), "{command:?}");
    };
    run();
    change(&copy, file, from, to);
    let began = Instant::now();
    run();
    began.elapsed()
}

#[test]
fn go_from_source_to_live_twice() {
    if there("go", "version") {
        let alone: &[&str] = &["go", "build", "-trimpath", "-o", "app", "."];
        live_twice("hello-go", "main.go", "release %", "just built %", "just built", Some(alone));
    }
}

#[test]
fn rust_from_source_to_live_twice() {
    let alone: &[&str] = &["cargo", "build", "--release"];
    live_twice("hello-rust", "src/main.rs", "release {", "just built {", "just built", Some(alone));
}

#[test]
fn node_from_source_to_live_twice() {
    if there("node", "--version") {
        live_twice("hello-node", "server.js", "release $", "just built $", "just built", None);
    }
}

#[test]
fn python_from_source_to_live_twice() {
    if there("python3", "--version") {
        live_twice("hello-python", "app.py", "release {", "just built {", "just built", None);
    }
}

#[test]
fn java_from_source_to_live_twice() {
    if there("mvn", "--version") && there("javac", "-version") {
        let fetch = ["-q", "-B", "-DskipTests", "package"];
        let folder = bare("hello-java");
        let done = Command::new("mvn").args(fetch).current_dir(folder.path()).output().unwrap();
        if !done.status.success() {
            not_run("Maven's registry can't be reached, so hello-java was not deployed");
            return;
        }
        let alone: &[&str] = &["mvn", "-q", "-B", "-DskipTests", "package"];
        let file = "src/main/java/Main.java";
        live_twice("hello-java", file, "nrelease ", "njust built ", "just built", Some(alone));
    }
}

#[test]
fn a_build_without_a_deployment_is_an_artifact_that_can_be_pruned() {
    let up = Binary::up(TOW);
    let folder = example("hello-static");
    let dir = folder.path().to_str().unwrap();
    let made = up.json(&["build", dir]);
    let key = made["key"].as_str().unwrap().to_string();
    assert_eq!((&made["tool"], &made["is_static"]), (&"static".into(), &true.into()), "{made}");
    assert_eq!(up.json(&["build", dir])["key"], key.as_str(), "the same again is not built again");
    assert_eq!(up.json(&["status"]), serde_json::json!([]), "nothing is deployed");
    let short = &key.trim_start_matches("sha256:")[..12];
    assert_eq!(up.json(&["artifact", "show", short])["digest"], made["digest"]);
    // Fresh ones stay, what is deployed stays; what neither is nor was used goes.
    up.deploy(folder.path());
    let listed = up.json(&["artifact", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["releases"], serde_json::json!(["hello-static/1"]));
    change(folder.path(), "index.html", "<body", "<!-- two --><body");
    up.deploy(folder.path());
    let pruned = up.json(&["artifact", "prune", "--keep", "1", "--dry-run"]);
    assert_eq!(pruned["removed"][0]["key"], key.as_str(), "{pruned}");
    up.json(&["artifact", "prune", "--keep", "1"]);
    let left = up.json(&["artifact", "list"]);
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left[0]["deployed"].as_array().unwrap().len(), 1, "{left}");
}

#[test]
fn what_nobody_can_build_is_refused_before_anything_is_begun() {
    let up = Binary::up(TOW);
    let folder = bare("hello-python");
    std::fs::remove_file(folder.path().join("app.py")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "1").unwrap();
    let dir = folder.path().to_str().unwrap();
    let done = up.tow(["deploy", dir]);
    let text = done.err;
    assert!(text.contains("looked for Cargo.toml, go.mod"), "{text}");
    assert!(text.contains("gives no command"), "{text}");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    let text = up.tow(["deploy", dir]).err;
    assert!(text.contains("Dockerfile:"), "{text}");
}
