//! The component that the tests deploy: `ferry/main.rs`, compiled once, in a folder that each test changes at will; and
//! how it is asked.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tow_testkit::binary::Binary;

/// The real program.
pub(crate) const TOW: &str = env!("CARGO_BIN_EXE_tow");

/// A delivery that is not failed by a busy machine.
pub(crate) const PATIENT: &str = "health: {deadline: 60s}\nstop: {grace: 2s, drain: 10s}";

/// A component's folder.
pub(crate) struct Ferry {
    pub(crate) folder: tempfile::TempDir,
    name: String,
    /// Of the Score file's container.
    pub(crate) variables: Vec<(String, String)>,
    /// Of the workload in `tow.yaml`: lines of YAML at its own level.
    pub(crate) delivery: String,
    /// Of `build` in `tow.yaml`.
    pub(crate) build: String,
    pub(crate) command: String,
    pub(crate) probe: bool,
}

impl Ferry {
    /// With the program, a Score file and `tow.yaml`. Answers at once, fails within two seconds.
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("ferry-").tempdir().unwrap();
        std::fs::copy(program(), folder.path().join("app")).unwrap();
        let ferry = Self {
            folder,
            name: name.into(),
            variables: vec![("GREETING".into(), "one".into())],
            delivery: "health: {deadline: 2s}\nstop: {grace: 2s, drain: 10s}".into(),
            build: String::new(),
            command: r#"["./app"]"#.into(),
            probe: true,
        };
        ferry.write();
        ferry
    }

    /// May take its time: for what must come true on a busy machine, whoever dies meanwhile.
    pub(crate) fn patient(name: &str) -> Self {
        let mut ferry = Self::new(name);
        ferry.delivery = PATIENT.into();
        ferry.write();
        ferry
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn text(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Sets a variable of the Score file, and writes it.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.variables.push((name.into(), value.into()));
        }
        self.write();
        self
    }

    /// Another source: what is built from it is another artifact.
    pub(crate) fn source(&self, version: &str) {
        std::fs::write(self.folder.path().join("VERSION"), version).unwrap();
    }

    /// Writes Score file and `tow.yaml` as the fields say.
    pub(crate) fn write(&self) {
        let name = &self.name;
        let mut score = format!(
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: {name}\nservice:\n  ports:\n    web:\n      port: 8080\n\
             containers:\n  main:\n    image: .\n    command: {}\n",
            self.command
        );
        if !self.variables.is_empty() {
            score.push_str("    variables:\n");
        }
        for (name, value) in &self.variables {
            score.push_str(&format!("      {name}: {}\n", Value::from(value.as_str())));
        }
        if self.probe {
            score.push_str("    readinessProbe:\n      httpGet: {path: /healthz, port: 8080}\n");
        }
        std::fs::write(self.folder.path().join("score.yaml"), score).unwrap();
        let indent = |text: &str, by: &str| -> String {
            text.lines().map(|line| format!("{by}{line}\n")).collect()
        };
        let mut tow = format!(
            "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: {name}\nspec:\n  component: {name}\n"
        );
        if !self.build.is_empty() {
            tow.push_str(&format!("  build:\n{}", indent(&self.build, "    ")));
        }
        tow.push_str(&format!("  workloads:\n    {name}:\n      kind: service\n"));
        tow.push_str(&indent(&self.delivery, "      "));
        std::fs::write(self.folder.path().join("tow.yaml"), tow).unwrap();
    }
}

/// The compiled program; made once for each text of it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ferry/main.rs");
        let place = tempfile::Builder::new()
            .prefix("ferry-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let built = place.path().join("ferry");
        let done = Command::new("rustc")
            .args(["--edition", "2024", "-C", "strip=symbols", "-C", "opt-level=1", "-o"])
            .arg(&built)
            .arg(&source)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ferry");
        std::fs::rename(&built, &kept).unwrap();
        kept
    })
}

/// A copy of a folder of `examples/`, to change at will.
pub(crate) fn example(name: &str) -> tempfile::TempDir {
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
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    copy(&examples.join(name), folder.path());
    folder
}

/// GET, by the URL's port on this machine and its host as header: names below `localhost` need no resolver so. Status
/// and body; an error where nothing whole came.
pub(crate) fn try_get(url: &str, path: &str) -> std::io::Result<(u16, String)> {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_string()))
}

#[track_caller]
pub(crate) fn get(url: &str, path: &str) -> (u16, String) {
    try_get(url, path).unwrap_or_else(|error| panic!("{url}{path}: {error}"))
}

/// It answers 200; the body.
#[track_caller]
pub(crate) fn served(url: &str) -> String {
    let (status, body) = get(url, "/");
    assert_eq!(status, 200, "{url}: {body}");
    body
}

/// The component's line of `tow status`.
#[track_caller]
pub(crate) fn status(up: &Binary, component: &str) -> Value {
    let all = up.json(&["status", component]);
    all.as_array().and_then(|all| all.first()).cloned().unwrap_or(Value::Null)
}

/// The pids of a component's instances.
#[track_caller]
pub(crate) fn pids(up: &Binary, component: &str) -> Vec<u64> {
    let all = up.json(&["ps", component]);
    let mut pids: Vec<u64> =
        all.as_array().unwrap().iter().filter_map(|one| one["pid"].as_u64()).collect();
    pids.sort_unstable();
    pids
}

/// The names of an object's members, sorted.
#[track_caller]
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// POST of a form, as a browser of the same origin sends it.
#[track_caller]
pub(crate) fn post(url: &str, path: &str, form: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, text)
}
