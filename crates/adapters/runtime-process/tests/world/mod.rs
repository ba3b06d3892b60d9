//! What the crate's tests stand on: a runtime over a folder of its own, and the `role` example as the executable.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tow_names::{Digest, Duration, Id, Timestamp};
use tow_ports::{Blobs, ByteStream, Clock, PortError, Runtime};
use tow_record::{
    Backoff, InstanceSpec, LogLine, ObservedInstance, Phase, Probe, Program, Restart,
};
use tow_runtime_process::{Config, ProcessRuntime};

/// The real time.
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "real processes need the real time")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp(since.as_micros() as i64)
    }
    async fn sleep_until(&self, until: Timestamp) {
        tokio::time::sleep(until.since(self.now()).std()).await;
    }
}

/// Blobs that are files of a folder.
pub struct FolderBlobs(pub PathBuf);

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, _: ByteStream, _: u64) -> Result<(Digest, u64), PortError> {
        Err(PortError::Refused("not in this test".into()))
    }
    async fn path(&self, digest: &Digest) -> Result<PathBuf, PortError> {
        let path = self.0.join(digest.hex());
        if path.exists() { Ok(path) } else { Err(PortError::NotThere(digest.to_string())) }
    }
    async fn has(&self, digest: &Digest) -> Result<bool, PortError> {
        Ok(self.path(digest).await.is_ok())
    }
    async fn remove(&self, _: &Digest) -> Result<(), PortError> {
        Ok(())
    }
}

/// `target/debug/examples/runtime-role`, beside this very test.
pub fn tow() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("examples/runtime-role")
}

/// A folder, and whatever runs in it; nothing is left of either.
pub struct World {
    pub dir: tempfile::TempDir,
    pub runtime: Arc<ProcessRuntime>,
}

pub const EPOCH: i64 = 5;

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = open(dir.path());
        Self { dir, runtime }
    }

    pub fn instances(&self) -> PathBuf {
        self.dir.path().join("run/i")
    }

    pub fn folder(&self, id: &Id) -> PathBuf {
        self.instances().join(id.as_str())
    }

    /// As after a crash of the control plane.
    pub fn reopen(&mut self) {
        self.runtime = open(self.dir.path());
    }

    pub async fn look(&self, id: &Id) -> Option<ObservedInstance> {
        self.runtime.observe().await.unwrap().into_iter().find(|one| one.id == *id)
    }

    pub async fn until(
        &self,
        id: &Id,
        what: &str,
        holds: impl Fn(&ObservedInstance) -> bool,
    ) -> ObservedInstance {
        let end = Instant::now() + std::time::Duration::from_secs(30);
        let mut last = None;
        while Instant::now() < end {
            last = self.look(id).await;
            if let Some(one) = last.as_ref().filter(|one| holds(one)) {
                return one.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{id} never was {what}: {last:#?}\n{:#?}", self.log(id).await);
    }

    pub async fn running(&self, spec: &InstanceSpec) -> ObservedInstance {
        self.runtime.start(EPOCH, spec).await.unwrap();
        self.until(&spec.id, "running", |one| one.phase == Phase::Running).await
    }

    pub async fn log(&self, id: &Id) -> Vec<LogLine> {
        use futures::StreamExt as _;
        match self.runtime.logs(id, Default::default()).await {
            Ok(lines) => lines.collect().await,
            Err(_) => Vec::new(),
        }
    }

    pub async fn until_log(
        &self,
        id: &Id,
        what: &str,
        holds: impl Fn(&[LogLine]) -> bool,
    ) -> Vec<LogLine> {
        let end = Instant::now() + std::time::Duration::from_secs(30);
        while Instant::now() < end {
            let log = self.log(id).await;
            if holds(&log) {
                return log;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let log = self.log(id).await;
        let head: Vec<_> = log.iter().take(50).collect();
        panic!("the log of {id} never was {what}: {} lines: {head:#?}", log.len());
    }

    /// Waits until new shims have taken over so many times.
    pub async fn adopted(&self, id: &Id, times: usize) -> ObservedInstance {
        let end = Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let seen = self.look(id).await;
            let log = self.log(id).await;
            let took = log.iter().filter(|line| line.text == "a new shim took over").count();
            if took == times {
                return self.until(id, "adopted", |one| one.phase == Phase::Running).await;
            }
            assert!(Instant::now() < end, "never adopted: {seen:#?} {log:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub async fn end(&self, id: &Id) {
        self.runtime.stop(EPOCH, id, Duration::from_millis(500)).await.unwrap();
        self.until(id, "ended", |one| !one.may_run()).await;
        self.runtime.remove(EPOCH, id).await.unwrap();
        assert!(!self.folder(id).exists());
    }

    /// The shim of an instance, as whoever holds its lock.
    pub fn shim(&self, id: &Id) -> u32 {
        let folder = self.folder(id).canonicalize().unwrap();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(command) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let args: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
            if args.get(1) == Some(&&b"shim"[..])
                && args.get(2) == Some(&folder.as_os_str().as_encoded_bytes())
                && alive(pid)
            {
                return pid;
            }
        }
        panic!("{id} has no shim");
    }
}

impl Drop for World {
    /// Whatever a failed test left goes with it: only processes of this folder.
    fn drop(&mut self) {
        let dir = self.instances();
        let stopped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(tow_runtime_process::stop_everything(&dir, &tow(), Duration::ZERO))
        })
        .join()
        .unwrap();
        if !std::thread::panicking() {
            stopped.unwrap();
        }
    }
}

pub fn open(dir: &Path) -> Arc<ProcessRuntime> {
    let config = Config {
        dir: dir.join("run/i"),
        volumes: dir.join("volumes"),
        hidden: dir.to_path_buf(),
        tow: tow(),
        blobs: Arc::new(FolderBlobs(dir.to_path_buf())),
        clock: Arc::new(RealClock),
        node: "here".into(),
    };
    Arc::new(ProcessRuntime::new(config).unwrap())
}

/// A zombie is dead.
pub fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

pub fn kill(pid: u32) {
    let status =
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A shell script as an instance.
pub fn script(name: &str, script: &str) -> InstanceSpec {
    command(name, &["sh", "-c", script])
}

pub fn command(name: &str, argv: &[&str]) -> InstanceSpec {
    InstanceSpec {
        id: Id::fresh(name),
        program: Program::Command { argv: argv.iter().map(ToString::to_string).collect() },
        artifact: None,
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        ports: Vec::new(),
        listen: Vec::new(),
        readiness: Probe::Alive,
        liveness: None,
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(500),
        successes: 1,
        restart: Restart::Always(Backoff {
            first: Duration::from_millis(20),
            most: Duration::from_millis(200),
            reset_after: Duration::from_secs(60),
            crash_loop_after: 3,
        }),
        grace: Duration::from_secs(5),
        before_stop: None,
        time_limit: None,
        setting: tow_record::Setting::default(),
        title: format!("{name}/0 main"),
    }
}
