//! A container engine of the test's own: Podman, with its images, containers and state in a temporary directory, and
//! images made here from the machine's own static programs. Nothing is fetched, and nothing is left.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tow_names::Digest;

/// How long the engine may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Podman as a service on a socket.
#[derive(Debug)]
pub struct Podman {
    dir: tempfile::TempDir,
    child: Option<Child>,
    program: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Podman {
    /// Started; why not, where it can't be.
    pub fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("podman is run by root here".into());
        }
        let program = find("podman").ok_or("podman is not installed")?;
        let runc = find("runc").ok_or("runc is not installed")?;
        let dir = tempfile::Builder::new().prefix("pod-").tempdir().map_err(|e| e.to_string())?;
        let put = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).map(|()| path).map_err(|e| e.to_string())
        };
        let networks = dir.path().join("networks");
        std::fs::create_dir(&networks).map_err(|e| e.to_string())?;
        let engine = format!(
            "[containers]\n[network]\nnetwork_config_dir = \"{}\"\n[engine]\nruntime = \"runc\"\ncgroup_manager = \
             \"cgroupfs\"\nevents_logger = \"file\"\n[engine.runtimes]\nrunc = [\"{}\"]\n",
            networks.display(),
            runc.display(),
        );
        // Any port of this machine may be a registry of a test; names without a registry are nobody's.
        let registries = "unqualified-search-registries = []\n[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n";
        let policy = json!({ "default": [{ "type": "insecureAcceptAnything" }] }).to_string();
        let environment = vec![
            ("CONTAINERS_CONF", put("containers.conf", engine)?),
            ("CONTAINERS_REGISTRIES_CONF", put("registries.conf", registries.into())?),
            ("HOME", dir.path().to_path_buf()),
        ];
        put("policy.json", policy)?;
        let mut own = Self { dir, child: None, program, environment };
        own.wake()?;
        Ok(own)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("podman.sock")
    }

    /// As a `Runtime` names it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The program with everything that is this engine's own.
    pub fn command(&self) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(&self.program);
        command
            .arg("--root")
            .arg(dir.join("root"))
            .arg("--runroot")
            .arg(dir.join("run"))
            .arg("--tmpdir")
            .arg(dir.join("tmp"))
            .args(["--storage-driver", "vfs"])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts the service, where it does not run; returns once it answers.
    pub fn wake(&mut self) -> Result<(), String> {
        if self.child.is_none() {
            let log =
                std::fs::File::create(self.dir.path().join("log")).map_err(|e| e.to_string())?;
            let _ = std::fs::remove_file(self.socket());
            let child = self
                .command()
                .args(["system", "service", "--time", "0", &self.address()])
                // Where a container ran out of memory, its monitor leaves a file in the folder that it was started in.
                .current_dir(self.dir.path())
                .stdout(log.try_clone().map_err(|e| e.to_string())?)
                .stderr(log)
                .spawn()
                .map_err(|e| e.to_string())?;
            self.child = Some(child);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.ask("GET", "/_ping", None).is_ok() {
                return Ok(());
            }
            let gone = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if gone.is_some() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.child.take().map(|mut child| child.kill());
        let said = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        Err(format!("podman does not serve: {}", said.trim()))
    }

    /// Kills the service; containers go on.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    /// Asks over the socket: the answer as JSON; what it says where it says no.
    pub fn ask(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<Value, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = UnixStream::connect(self.socket()).map_err(failed)?;
        let body = body.unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(failed)?;
        stream.write_all(body).map_err(failed)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(failed)?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").ok_or("no answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(format!("{status}: {body}"));
        }
        Ok(serde_json::from_str(body.trim()).unwrap_or(Value::String(body.into())))
    }

    /// Loads an image under a name; without a tag it is the latest.
    #[track_caller]
    pub fn load(&self, name: &str, image: &Image) {
        let last = name.rsplit('/').next().unwrap_or(name);
        let whole = if last.contains(':') { name.into() } else { format!("{name}:latest") };
        let archive = image.archive(&whole);
        if let Err(why) = self.ask("POST", "/images/load", Some(&archive)) {
            panic!("image {name}: {why}");
        }
    }

    /// Containers that were labelled so, whether they run or not: name and state.
    pub fn containers(&self, label: &str) -> Vec<(String, String)> {
        let all = self.ask("GET", "/containers/json?all=true", None).unwrap_or_default();
        let all = all.as_array().into_iter().flatten();
        all.filter(|one| one["Labels"].get(label).is_some_and(|value| value != ""))
            .map(|one| {
                let name = one["Names"][0].as_str().unwrap_or_default();
                let state = one["State"].as_str().unwrap_or_default();
                (name.trim_start_matches('/').to_string(), state.to_string())
            })
            .collect()
    }
}

impl Drop for Podman {
    /// Everything of it goes: containers, mounts, files, and the service last.
    fn drop(&mut self) {
        if self.wake().is_ok() {
            let all = self.ask("GET", "/containers/json?all=true", None).unwrap_or_default();
            for one in all.as_array().into_iter().flatten() {
                let id = one["Id"].as_str().unwrap_or_default();
                let _ = self.ask("DELETE", &format!("/containers/{id}?force=true&v=true"), None);
            }
        }
        self.kill();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "programs are looked for on the PATH")]
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// An image of one layer.
#[derive(Debug, Clone)]
pub struct Image {
    files: Vec<(String, Kind)>,
    /// `Config` of the image: `Cmd`, `Entrypoint`, `Env`, `User`, `WorkingDir`.
    pub config: Value,
    /// In the words of images.
    pub architecture: String,
}

#[derive(Debug, Clone)]
enum Kind {
    Folder(u32),
    File(Vec<u8>, u32),
    Link(String),
}

impl Image {
    /// Nothing at all.
    pub fn empty() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { files: Vec::new(), config: json!({}), architecture: architecture.into() }
    }

    /// The machine's own static busybox under all its names; why not, where it is not there.
    pub fn busybox() -> Result<Self, String> {
        let path = find("busybox").ok_or("busybox is not installed")?;
        let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
        let said = Command::new(&path).arg("--list").output().map_err(|e| e.to_string())?;
        let mut image = Self::empty();
        for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("var", 0o755)] {
            image = image.folder(folder, mode);
        }
        image = image.file("bin/busybox", &bytes, 0o755);
        for name in String::from_utf8_lossy(&said.stdout).lines().filter(|name| *name != "busybox")
        {
            image.files.push((format!("bin/{name}"), Kind::Link("busybox".into())));
        }
        image = image.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644);
        image.config = json!({ "Cmd": ["sh"], "Env": ["PATH=/bin"] });
        Ok(image)
    }

    /// With a folder.
    #[must_use]
    pub fn folder(mut self, path: &str, mode: u32) -> Self {
        self.files.push((path.into(), Kind::Folder(mode)));
        self
    }

    /// With a file.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: &[u8], mode: u32) -> Self {
        self.files.push((path.into(), Kind::File(bytes.into(), mode)));
        self
    }

    /// With another configuration.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// The layer's bytes and the configuration's.
    pub fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let mut layer = tar::Builder::new(Vec::new());
        for (path, kind) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            let added = match kind {
                Kind::Folder(mode) => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    layer.append_data(&mut header, format!("{path}/"), &[][..])
                }
                Kind::File(bytes, mode) => {
                    header.set_mode(*mode);
                    header.set_size(bytes.len() as u64);
                    layer.append_data(&mut header, path, &bytes[..])
                }
                Kind::Link(to) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    layer.append_link(&mut header, path, Path::new(to))
                }
            };
            added.expect("an archive in memory takes everything");
        }
        let layer = layer.into_inner().expect("an archive in memory");
        let config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
            "history": [{ "created_by": "a test" }],
        });
        (layer, config.to_string().into_bytes())
    }

    /// As an engine loads it.
    fn archive(&self, name: &str) -> Vec<u8> {
        let (layer, config) = self.parts();
        let mut text = String::new();
        let _ = write!(text, "{}.json", Digest::of(&config).hex());
        let manifest = json!([{ "Config": text, "RepoTags": [name], "Layers": ["layer.tar"] }]);
        let manifest = manifest.to_string().into_bytes();
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in
            [(text.as_str(), &config), ("layer.tar", &layer), ("manifest.json", &manifest)]
        {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, &bytes[..]).expect("an archive in memory");
        }
        archive.into_inner().expect("an archive in memory")
    }
}
