//! A registry of packages on this machine, for npm's kind and for Python's: a few packages that are made here, so that
//! package managers do everything they do and nothing is fetched from elsewhere. Knows nothing of builds.

use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Answers by path: kind and bytes.
type Answers = BTreeMap<String, (&'static str, Vec<u8>)>;

/// A registry that serves until the tests end.
pub(super) struct Shelf {
    port: u16,
}

impl Shelf {
    /// With `answers`, made once it is known where it will be.
    fn with(answers: impl FnOnce(&str) -> Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = Arc::new(answers(&format!("http://127.0.0.1:{port}")));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = answers.clone();
                std::thread::spawn(move || answer(stream, &answers));
            }
        });
        Self { port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Packages as npm has them: name, version, `package.json` without both, and the text of `index.js`.
    pub(super) fn npm(packages: &[(&str, &str, &str, &str)]) -> Self {
        Self::with(|url| {
            let mut answers = Answers::new();
            for (name, version, about, text) in packages {
                let dir = tempfile::tempdir().unwrap();
                let mut about: serde_json::Value = serde_json::from_str(about).unwrap();
                about["name"] = (*name).into();
                about["version"] = (*version).into();
                let put = |name: &str, text: &str| {
                    std::fs::write(dir.path().join(name), text).unwrap();
                };
                put("package.json", &about.to_string());
                put("index.js", text);
                // Node alone knows how its registries say what is whole.
                let script = "const {execFileSync:x}=require('child_process'),c=require('crypto'),f=require('fs');\
                    x('tar',['--transform','s,^\\\\./,package/,','-czf','p.tgz','./package.json','./index.js']);\
                    const b=f.readFileSync('p.tgz');\
                    console.log(c.createHash('sha1').update(b).digest('hex'));\
                    console.log('sha512-'+c.createHash('sha512').update(b).digest('base64'))";
                let said = said(Command::new("node").args(["-e", script]).current_dir(&dir));
                let (sha, integrity) = said.trim().split_once('\n').unwrap();
                let path = format!("/{name}/-/{name}-{version}.tgz");
                about["dist"] = json!({ "tarball": format!("{url}{path}"), "shasum": sha, "integrity": integrity });
                let all = json!({
                    "name": name,
                    "dist-tags": { "latest": version },
                    "versions": { *version: about },
                    "time": { *version: "2020-01-01T00:00:00.000Z" },
                });
                let packed = std::fs::read(dir.path().join("p.tgz")).unwrap();
                answers.insert(path, ("application/octet-stream", packed));
                answers
                    .insert(format!("/{name}"), ("application/json", all.to_string().into_bytes()));
            }
            answers
        })
    }

    /// The wheels in a folder, as Python's simple index has them.
    pub(super) fn wheels(folder: &Path) -> Self {
        Self::with(|url| {
            let mut answers = Answers::new();
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let file = entry.file_name().into_string().unwrap();
                let name = file.split('-').next().unwrap().to_string();
                let bytes = std::fs::read(entry.path()).unwrap();
                let digest = tow_names::Digest::of(&bytes);
                let page = format!(
                    "<!DOCTYPE html><html><body><a href=\"{url}/files/{file}#sha256={}\">{file}</a></body></html>",
                    digest.hex()
                );
                answers.insert(format!("/simple/{name}/"), ("text/html", page.into_bytes()));
                answers.insert(format!("/files/{file}"), ("application/octet-stream", bytes));
            }
            answers
        })
    }
}

/// What a program says; it must end well.
#[track_caller]
pub(super) fn said(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {text}\n{errors}");
    text
}

fn answer(mut stream: TcpStream, answers: &Answers) {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(length) if length > 0 => bytes.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let (status, (kind, body)) = match answers.get(path) {
        Some(found) => ("200 OK", found.clone()),
        None => ("404 Not Found", ("application/json", b"{}".to_vec())),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    if !text.starts_with("HEAD") {
        let _ = stream.write_all(&body);
    }
}
