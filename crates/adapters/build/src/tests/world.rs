//! The smallest world a builder can live in: a runtime that runs the role as a plain child, blobs in a folder.

use crate::{Config, Limits, ProcessBuilder};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tow_names::{Digest, Duration, Id, Timestamp};
use tow_ports::{
    Blobs, Builder as _, ByteStream, Clock, ExecSession, ExecSpec, LogQuery, PortError, Runtime,
};
use tow_record::{
    Artifact, BuildSpec, Executes, Exit, InstanceSpec, Isolation, LogLine, LogStream,
    ObservedBuild, ObservedInstance, Phase, Program, RuntimeFacts,
};

/// A builder with everything around it; what it started is ended with it.
pub(super) struct World {
    pub(super) builder: ProcessBuilder,
    pub(super) runtime: Arc<Children>,
    pub(super) blobs: Arc<Folder>,
    pub(super) root: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), &[])
    }

    pub(super) fn with(limits: Limits, env: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let runtime = Arc::new(Children { dir: root.path().into(), running: Mutex::default() });
        let blobs = Arc::new(Folder(root.path().join("blobs")));
        std::fs::create_dir(&blobs.0).unwrap();
        let target = std::env::current_exe().unwrap();
        let tow = target.ancestors().nth(2).unwrap().join("examples/builder-role");
        assert!(tow.exists(), "{} is built with the tests", tow.display());
        let mut all = crate::environment::own();
        all.extend(env.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let builder = ProcessBuilder::new(Config {
            runtime: runtime.clone(),
            blobs: blobs.clone(),
            dir: root.path().join("b"),
            tow,
            cache: root.path().join("cache"),
            clock: Arc::new(Ticks(Mutex::new(1_000_000))),
            env: all,
            limits,
        });
        Self { builder, runtime, blobs, root }
    }

    /// Brings a source of these files; those that begin with `#!` may be executed.
    pub(super) async fn source(&self, files: &[(&str, &str)]) -> BuildSpec {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(if text.starts_with("#!") { 0o755 } else { 0o644 });
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let source = self.blobs.keep(&bytes);
        let component = tow_names::EntityRef::parse(
            "component:default/tested",
            None,
            &tow_names::Namespace::new("default").unwrap(),
        );
        BuildSpec { component: component.ok(), ..BuildSpec::new(source, Duration::from_secs(300)) }
    }

    /// Builds to the end.
    pub(super) async fn build(&self, spec: &BuildSpec) -> (Id, ObservedBuild) {
        let id = Id::fresh("b");
        self.builder.start(1, &id, spec, &BTreeMap::new(), Timestamp(7)).await.unwrap();
        let seen = self.ended(&id).await;
        (id, seen)
    }

    pub(super) async fn ended(&self, id: &Id) -> ObservedBuild {
        let began = Instant::now();
        loop {
            let seen = self.builder.observe(id).await.unwrap();
            if !seen.running {
                return seen;
            }
            assert!(began.elapsed().as_secs() < 240, "a build that does not end");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn log(&self, id: &Id) -> String {
        let lines = self.builder.log(id, 1000).await.unwrap();
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    /// The files of an artifact, by path.
    pub(super) fn files(&self, artifact: &Artifact) -> BTreeMap<String, Vec<u8>> {
        let bytes = std::fs::read(self.blobs.file(&artifact.digest)).unwrap();
        assert_eq!(bytes.len() as u64, artifact.size);
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_string();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            files.insert(path, content);
        }
        files
    }
}

/// A runtime of plain children, each the leader of its group.
pub(super) struct Children {
    dir: PathBuf,
    running: Mutex<HashMap<Id, Running>>,
}

struct Running {
    child: Child,
    began: Instant,
    limit: Option<Duration>,
    over: bool,
}

impl Children {
    fn log(&self, id: &Id) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    pub(super) fn count(&self) -> usize {
        self.running.lock().unwrap().len()
    }
}

fn kill(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    let _ = child.wait();
}

impl Drop for Children {
    fn drop(&mut self) {
        for running in self.running.get_mut().unwrap().values_mut() {
            kill(&mut running.child);
        }
    }
}

#[async_trait]
impl Runtime for Children {
    fn node(&self) -> String {
        "here".into()
    }
    async fn fence(&self, _: i64) -> Result<(), PortError> {
        Ok(())
    }
    async fn facts(&self, _: &Executes) -> Result<RuntimeFacts, PortError> {
        Err(PortError::Refused("nobody asks".into()))
    }
    async fn exec(&self, _: i64, _: &Id, _: ExecSpec) -> Result<ExecSession, PortError> {
        Err(PortError::Refused("nobody looks into a build".into()))
    }
    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError> {
        let mut all = Vec::new();
        for (id, Running { child, began, limit, over }) in self.running.lock().unwrap().iter_mut() {
            if limit.is_some_and(|limit| began.elapsed() > limit.std()) && !*over {
                *over = true;
                kill(child);
            }
            let status = child.try_wait().unwrap();
            let exit = status.map(|status| match status.code() {
                _ if *over => Exit::Timeout,
                Some(code) => Exit::Code { code },
                None => Exit::Signal { signal: 9 },
            });
            all.push(ObservedInstance {
                id: id.clone(),
                phase: if exit.is_some() { Phase::Exited } else { Phase::Running },
                ready: exit.is_none(),
                ready_since: None,
                pid: exit.is_none().then(|| child.id()),
                restarts: 0,
                exit,
                probe: None,
                isolation: Isolation::None,
                listening: Vec::new(),
                usage: None,
                message: String::new(),
            });
        }
        Ok(all)
    }
    async fn start(&self, _: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        let mut running = self.running.lock().unwrap();
        if running.contains_key(&spec.id) {
            return Ok(());
        }
        let Program::Command { argv } = &spec.program else { panic!("{spec:?}") };
        let log = std::fs::File::create(self.log(&spec.id)).unwrap();
        let child = Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .envs(&spec.env)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let limit = spec.time_limit;
        running
            .insert(spec.id.clone(), Running { child, began: Instant::now(), limit, over: false });
        Ok(())
    }
    async fn stop(&self, _: i64, id: &Id, _: Duration) -> Result<(), PortError> {
        if let Some(running) = self.running.lock().unwrap().get_mut(id) {
            kill(&mut running.child);
        }
        Ok(())
    }
    async fn remove(&self, _: i64, id: &Id) -> Result<(), PortError> {
        let mut running = self.running.lock().unwrap();
        if let Some(one) = running.get_mut(id)
            && one.child.try_wait().unwrap().is_none()
        {
            return Err(PortError::Refused("it runs".into()));
        }
        running.remove(id);
        let _ = std::fs::remove_file(self.log(id));
        Ok(())
    }
    async fn logs(
        &self,
        id: &Id,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        let text = std::fs::read(self.log(id)).map_err(|_| PortError::NotThere(id.to_string()))?;
        let lines: Vec<LogLine> = String::from_utf8_lossy(&text)
            .lines()
            .map(|text| LogLine {
                at: Timestamp(0),
                stream: LogStream::Stderr,
                text: text.into(),
                partial: false,
            })
            .collect();
        let skip = query.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        Ok(futures::stream::iter(lines.into_iter().skip(skip)).boxed())
    }
    async fn free_ports(&self, _: usize, _: &[u16]) -> Result<Vec<u16>, PortError> {
        Err(PortError::Refused("a build has no ports".into()))
    }
    async fn changed(&self) {
        std::future::pending().await
    }
}

/// Blobs in a folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn file(&self, digest: &Digest) -> PathBuf {
        self.0.join(digest.hex())
    }
    pub(super) fn keep(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        std::fs::write(self.file(&digest), bytes).unwrap();
        digest
    }
}

#[async_trait]
impl Blobs for Folder {
    async fn put(&self, mut bytes: ByteStream, limit: u64) -> Result<(Digest, u64), PortError> {
        let mut all = Vec::new();
        while let Some(piece) = bytes.next().await {
            all.extend_from_slice(&piece?);
        }
        assert!(all.len() as u64 <= limit);
        Ok((self.keep(&all), all.len() as u64))
    }
    async fn path(&self, digest: &Digest) -> Result<PathBuf, PortError> {
        let path = self.file(digest);
        if path.exists() { Ok(path) } else { Err(PortError::NotThere(digest.to_string())) }
    }
    async fn has(&self, digest: &Digest) -> Result<bool, PortError> {
        Ok(self.file(digest).exists())
    }
    async fn remove(&self, digest: &Digest) -> Result<(), PortError> {
        let _ = std::fs::remove_file(self.file(digest));
        Ok(())
    }
}

/// A clock that is later at each look.
struct Ticks(Mutex<i64>);

#[async_trait]
impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let mut now = self.0.lock().unwrap();
        *now += 1;
        Timestamp(*now)
    }
    async fn sleep_until(&self, _: Timestamp) {}
}

/// Does anything of this process group still run?
pub(super) fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}/cwd")).read_link().is_ok()
}
