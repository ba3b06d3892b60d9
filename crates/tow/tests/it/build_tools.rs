//! Each language's sample from source to live, and again after a change of one line: with the real binary and the real
//! tools. Commands are taken out of the samples, so that what runs is what was detected. Where a toolchain is missing,
//! what was not run is said.

#![allow(clippy::print_stdout, reason = "what is measured is a result")]
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{TOW, example, get};
use std::path::{Path, PathBuf};
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

/// What a second deploy may take beyond the tool's own build of the same change.
const OURS: f64 = 2.0;
/// How often: the middle one counts, for a machine does other things too.
const ROUNDS: usize = 3;

/// What is changed: a file, and one text of it for another.
struct Line {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// Live, then live again and again with one line changed, in turn with the tool alone for the same change in a folder
/// where it has built before. `alone` is what the tool is called by; where nothing compiles, nothing is waited for.
fn live_again(name: &str, tool: &str, line: &Line, alone: Option<&[&str]>) {
    let up = Binary::up(TOW);
    let folder = bare(name);
    let done = up.deploy(folder.path());
    assert_eq!(done["state"], "live", "{name}: {done}");
    let (code, text) = get(done["url"].as_str().unwrap(), "/");
    assert_eq!(code, 200, "{text}");
    assert!(text.contains("release 1"), "{text}");
    let by_itself = alone.map(|command| ByItself::new(folder.path(), command));
    let (mut ours, mut own, mut from) = (Vec::new(), Vec::new(), line.from.to_string());
    for round in 0..ROUNDS {
        let to = line.to.replace("just", &format!("{round} times"));
        if let Some(by_itself) = &by_itself {
            change(&by_itself.folder, line.file, &from, &to);
            own.push(by_itself.build());
        }
        change(folder.path(), line.file, &from, &to);
        let began = Instant::now();
        let done = up.deploy(folder.path());
        ours.push(began.elapsed().as_secs_f64());
        assert_eq!(done["state"], "live", "{name}: {done}");
        let (code, text) = get(done["url"].as_str().unwrap(), "/");
        assert_eq!(code, 200, "{text}");
        assert!(text.contains(&format!("{round} times built")), "{text}");
        from = to;
    }
    let (ours, own) = (middle(ours), middle(own));
    println!(
        "measured: {tool} second deploy {ours:.1} s, the tool alone {own:.1} s: {:.1} s more, of {OURS:.0} s that it may be \
         (the middle of {ROUNDS}, taken in turn)",
        ours - own
    );
}

/// The middle one; nothing where there is none.
fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// A copy of a component in which a tool has built before.
struct ByItself {
    _dir: tempfile::TempDir,
    folder: PathBuf,
    command: Vec<String>,
}

impl ByItself {
    fn new(source: &Path, command: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("c");
        let done = Command::new("cp").arg("-r").arg(source).arg(&folder).status();
        assert!(done.unwrap().success());
        let command = command.iter().map(ToString::to_string).collect();
        let made = Self { _dir: dir, folder, command };
        made.build();
        made
    }

    /// How long it takes.
    fn build(&self) -> f64 {
        let mut tool = Command::new(&self.command[0]);
        tool.args(&self.command[1..]).current_dir(&self.folder);
        let began = Instant::now();
        let done = tool.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(done.unwrap().success(), "{:?}", self.command);
        began.elapsed().as_secs_f64()
    }
}

#[test]
fn go_from_source_to_live_and_again() {
    if there("go", "version") {
        let alone: &[&str] = &["go", "build", "-trimpath", "-o", "app", "."];
        let line = Line { file: "main.go", from: "release %", to: "just built %" };
        live_again("hello-go", "Go", &line, Some(alone));
    }
}

#[test]
fn rust_from_source_to_live_and_again() {
    let alone: &[&str] = &["cargo", "build", "--release"];
    let line = Line { file: "src/main.rs", from: "release {", to: "just built {" };
    live_again("hello-rust", "Rust", &line, Some(alone));
}

#[test]
fn node_from_source_to_live_and_again() {
    if there("node", "--version") {
        let line = Line { file: "server.js", from: "release $", to: "just built $" };
        live_again("hello-node", "Node", &line, None);
    }
}

#[test]
fn python_from_source_to_live_and_again() {
    if there("python3", "--version") {
        let line = Line { file: "app.py", from: "release {", to: "just built {" };
        live_again("hello-python", "Python", &line, None);
    }
}

#[test]
fn java_from_source_to_live_and_again() {
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
        let line = Line { file, from: "nrelease ", to: "njust built " };
        live_again("hello-java", "Java", &line, Some(alone));
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
fn a_change_elsewhere_in_a_repository_builds_nothing() {
    let up = Binary::up(TOW);
    let folder = example("hello-static");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(
        "tow.yaml",
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {name: hello-static}\nspec:\n  build:\n    dir: \
         apps/web\n    watch: [libs/words]\n    command: mkdir out; cat head.html ../../libs/words/word >out/index.html; \
         ls ../.. >out/seen.txt\n    output: out\n  workloads:\n    hello-static: {kind: static}\n",
    );
    put("apps/web/head.html", "<h1>web</h1>");
    put("apps/api/main.py", "1");
    put("libs/words/word", "one");
    let dir = folder.path().to_str().unwrap();
    let live = up.deploy(folder.path());
    let url = live["url"].as_str().unwrap();
    assert!(get(url, "/").1.ends_with("<h1>web</h1>one"), "{}", get(url, "/").1);
    assert!(get(url, "/seen.txt").1.ends_with("apps\nlibs\n"), "nothing else is there");
    let key = up.json(&["build", dir])["key"].clone();
    put("apps/api/main.py", "2");
    put("index.html", "another");
    assert_eq!(up.json(&["build", dir])["key"], key, "it is not watched");
    put("libs/words/word", "two");
    assert_ne!(up.json(&["build", dir])["key"], key, "it is");
    assert!(get(up.deploy(folder.path())["url"].as_str().unwrap(), "/").1.ends_with("two"));
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
    assert!(text.contains("score.yaml:") && text.contains("plan/no-container-runtime"), "{text}");
}
