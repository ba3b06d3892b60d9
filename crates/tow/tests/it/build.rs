//! Source to artifact with the real binary: what `image: .` becomes, once, whatever happens to the control plane
//! meanwhile. Goes through `tow` alone.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A first build of anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A platform of its own, taken down with everything it started.
struct Up {
    data: tempfile::TempDir,
    plane: Child,
}

impl Up {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let plane = Self::plane(data.path());
        Self { data, plane }
    }

    /// Starts the control plane and waits for its ready line.
    fn plane(data: &Path) -> Child {
        let mut plane = Self::command(data)
            .args(["up", "--listen", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(plane.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert!(ready["url"].is_string(), "{line}");
        plane
    }

    fn command(data: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tow"));
        command.env("TOW_DATA", data).env("NO_COLOR", "1");
        for name in ["TOW_URL", "TOW_TOKEN", "TOW_ENVIRONMENT"] {
            command.env_remove(name);
        }
        command
    }

    fn tow(&self, args: &[&str]) -> Output {
        Self::command(self.data.path()).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// A verb that must succeed, and its answer.
    fn json(&self, args: &[&str]) -> Value {
        let done = self.tow(&[args, &["-o", "json"]].concat());
        assert!(done.status.success(), "{args:?}: {}", say(&done));
        serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", say(&done)))
    }

    fn deploy(&self, folder: &Path) -> Value {
        self.json(&["deploy", folder.to_str().unwrap()])
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.tow(&["down"]);
        let _ = self.plane.kill();
        let _ = self.plane.wait();
    }
}

fn say(done: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    )
}

/// A copy of a folder of `examples/`, to change at will.
fn example(name: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    copy(&examples.join(name), folder.path());
    folder
}

/// GET, by the URL's port on this machine and its host as header: names below `localhost` need no resolver so.
fn get(url: &str, path: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, text)
}

/// Polls until `condition` holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come true");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_folder_of_pages_is_served() {
    let up = Up::start();
    let folder = example("hello-static");
    let done = up.deploy(folder.path());
    let url = done["url"].as_str().unwrap();
    let (status, page) = get(url, "/");
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("The barge has arrived"), "{page}");
    assert_eq!(get(url, "/style.css").0, 200);
    assert_eq!(get(url, "/score.yaml").0, 404, "what is for the platform is no page");
}

#[test]
fn rust_source_runs_and_the_same_source_builds_once() {
    let up = Up::start();
    let folder = example("hello-rust");
    let done = up.deploy(folder.path());
    let (status, text) = get(done["url"].as_str().unwrap(), "/");
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("Hello from Rust") && text.contains("release 1"), "{text}");

    // Nothing changed, so nothing is built: all releases there are share one artifact.
    up.deploy(folder.path());
    let releases = up.json(&["releases", "hello-rust"]);
    let artifacts: Vec<&Value> =
        releases.as_array().unwrap().iter().map(|release| &release["artifact"]).collect();
    assert!(!artifacts.is_empty(), "{releases}");
    assert!(artifacts.iter().all(|artifact| *artifact == artifacts[0]), "{releases}");
}

#[test]
fn secrets_do_not_travel() {
    let up = Up::start();
    let folder = example("hello-static");
    std::fs::write(folder.path().join(".env"), "TOKEN=1").unwrap();
    let done = up.tow(&["deploy", folder.path().to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(2), "{}", say(&done));
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(text.contains(".env") && text.contains(".towignore"), "{text}");
    std::fs::write(folder.path().join(".towignore"), ".env\n").unwrap();
    up.deploy(folder.path());
}

/// `hello-static`, made by a command.
fn with_command(command: &str, timeout: &str) -> tempfile::TempDir {
    let folder = example("hello-static");
    let text = format!(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: hello-static\nspec:\n  build:\n    \
         command: {}\n    output: out\n    timeout: {timeout}\n  workloads:\n    hello-static:\n      kind: static\n",
        Value::from(command)
    );
    std::fs::write(folder.path().join("tow.yaml"), text).unwrap();
    folder
}

#[test]
fn a_build_that_fails_or_never_ends_says_so_and_changes_nothing() {
    let up = Up::start();
    let good = example("hello-static");
    let url = up.deploy(good.path())["url"].as_str().unwrap().to_string();
    let cases = [
        ("echo the-reason-why >&2; exit 7", "5m", "the-reason-why"),
        ("sleep 1000", "1s", "longer than 1s"),
    ];
    for (command, timeout, expected) in cases {
        let folder = with_command(command, timeout);
        let done = up.tow(&["deploy", folder.path().to_str().unwrap()]);
        assert_eq!(done.status.code(), Some(1), "{command}: {}", say(&done));
        assert!(say(&done).contains(expected), "{command}: {}", say(&done));
        assert_eq!(get(&url, "/").0, 200, "the old one goes on serving");
    }
}

#[test]
fn a_build_outlives_the_control_plane_and_runs_once() {
    let mut up = Up::start();
    let marks = tempfile::tempdir().unwrap();
    let (ran, go) = (marks.path().join("ran"), marks.path().join("go"));
    let folder = with_command(
        &format!(
            "echo once >>{}; while [ ! -e {} ]; do sleep 0.05; done; mkdir out; echo survived >out/index.html",
            ran.display(),
            go.display()
        ),
        "5m",
    );
    let mut deploy = Up::command(up.data.path())
        .args(["deploy", folder.path().to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the build began", || ran.exists());
    up.plane.kill().unwrap();
    up.plane.wait().unwrap();
    let _ = deploy.kill();
    let _ = deploy.wait();
    std::fs::write(&go, "").unwrap();
    up.plane = Up::plane(up.data.path());
    until("the page is served", || {
        let status = up.json(&["status"]);
        let url = status
            .as_array()
            .and_then(|all| all.iter().find(|one| one["component"] == "hello-static"))
            .and_then(|one| one["url"].as_str());
        url.is_some_and(|url| get(url, "/").1.contains("survived"))
    });
    assert_eq!(std::fs::read_to_string(&ran).unwrap(), "once\n", "one start per build");
}
