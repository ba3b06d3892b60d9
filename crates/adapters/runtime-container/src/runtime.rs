//! The port, as a layer: what is to be a container becomes a process of the runtime below, whose program is the role
//! that looks after it. Everything else goes through as it is.

use crate::folder::{Folder, Folders};
use crate::image::Trouble;
use crate::order::{self, Now, Order};
use crate::{create, facts, pod, session, sweep, volume};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tow_engine::{Engine, EngineError};
use tow_names::{Duration, Id, Timestamp};
use tow_ports::{Blobs, Clock, ExecSession, ExecSpec, LogQuery, PortError, Runtime};
use tow_record::{
    ExecProbe, Executes, Exit, InstanceSpec, Isolation, LogLine, ObservedInstance, Phase, Probe,
    Program, RuntimeFacts, Setting,
};

/// How often what nobody wants is looked for.
const BETWEEN: Duration = Duration::from_secs(60);
/// A folder without an instance is let be for so long: somebody may be about to start it.
const YOUNG: std::time::Duration = std::time::Duration::from_secs(600);

/// What the runtime is given.
pub struct Config {
    /// Executes the roles, and everything that is no container.
    pub inner: Arc<dyn Runtime>,
    /// `data/run/c`: a folder for each instance that is a container. Made where it is not there.
    pub dir: PathBuf,
    /// `data/volumes`: a folder for each volume.
    pub volumes: PathBuf,
    /// The executable whose `container` role is [`crate::container_main`]; it must stay as it is while roles run.
    pub tow: PathBuf,
    /// Where the archives of images are that were built here.
    pub blobs: Arc<dyn Blobs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Containers over another runtime. Dropping it ends nothing.
pub struct ContainerRuntime {
    inner: Arc<dyn Runtime>,
    folders: Folders,
    owner: String,
    volumes: PathBuf,
    tow: PathBuf,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    swept: Mutex<Timestamp>,
    /// What was said of what is left: once is enough.
    said: Arc<Mutex<BTreeSet<String>>>,
}

impl ContainerRuntime {
    /// Opens the folder; [`PortError::Unavailable`] where that can't be. Asks no engine anything.
    pub fn new(config: Config) -> Result<Self, PortError> {
        let broken = |err: std::io::Error| {
            PortError::Unavailable(format!("{}: {err}", config.dir.display()))
        };
        let folders = Folders::open(&config.dir).map_err(broken)?;
        let owner = folders.owner().map_err(broken)?;
        Ok(Self {
            inner: config.inner,
            folders,
            owner,
            volumes: config.volumes,
            tow: config.tow,
            blobs: config.blobs,
            clock: config.clock,
            swept: Mutex::new(Timestamp(0)),
            said: Arc::default(),
        })
    }

    /// The process that stands for the instance's container.
    fn role(&self, spec: &InstanceSpec, folder: &Folder) -> InstanceSpec {
        let dir = folder.path().display().to_string();
        let probe = |probe: &Probe| match probe {
            Probe::Exec(ExecProbe { argv }) => {
                // It ends the command itself, a little before it would be ended.
                let limit = (spec.timeout.std().as_millis() * 9 / 10).to_string();
                let role = [self.tow.display().to_string(), "container".into(), "exec".into()];
                let own = role.into_iter().chain([dir.clone(), limit]);
                Probe::Exec(ExecProbe { argv: own.chain(argv.iter().cloned()).collect() })
            }
            other => other.clone(),
        };
        let artifact = order::is_artifact(spec);
        let mut files = spec.files.clone();
        files.retain(|target, _| artifact && !target.starts_with('/'));
        InstanceSpec {
            program: Program::Role { args: vec!["container".into(), dir.clone()] },
            env: std::collections::BTreeMap::new(),
            // An image's archive is for the engine alone.
            artifact: spec.artifact.clone().filter(|_| artifact),
            files,
            readiness: probe(&spec.readiness),
            liveness: spec.liveness.as_ref().map(probe),
            setting: Setting::default(),
            ..spec.clone()
        }
    }

    /// Writes the order, once: what was ordered is never changed.
    fn place(
        &self,
        spec: &InstanceSpec,
        folder: &Folder,
        archive: Option<PathBuf>,
    ) -> Result<(), PortError> {
        if folder.order().exists() {
            return Ok(());
        }
        if matches!(spec.program, Program::Static | Program::Role { .. }) {
            return Err(PortError::Refused(format!("{}: this is run in no container", spec.id)));
        }
        fits(spec, &self.volumes).map_err(PortError::Refused)?;
        let engines = tow_engine::candidates(spec.setting.runtime.spec.engine.as_deref())
            .map_err(PortError::Refused)?;
        let given = order::Given {
            owner: self.owner.clone(),
            engines,
            volumes: self.volumes.clone(),
            archive,
        };
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder.path())
            .and_then(|()| order::place(folder, given, spec));
        made.map_err(|err| {
            PortError::Unavailable(format!("cannot write {}: {err}", folder.path().display()))
        })
    }

    /// What the runtime below sees, with what only a role knows.
    fn told(&self, mut seen: ObservedInstance) -> ObservedInstance {
        let folder = self.folders.of(&seen.id);
        if !folder.exists() {
            return seen;
        }
        seen.isolation = Isolation::Container;
        // An engine has one number for both: beyond 128 it was a signal.
        if let Some(Exit::Code { code }) = seen.exit {
            seen.exit = Some(how(code));
        }
        if let Ok(words) = std::fs::read_to_string(folder.waiting())
            && !words.is_empty()
            && !seen.ready
        {
            seen.message = words;
        }
        let now = Now::read(&folder);
        if let Ok(Some(Now { over: true, why: Some(why), .. })) = &now {
            seen.message.clone_from(why);
        }
        if seen.phase == Phase::Running && matches!(&now, Ok(Some(Now { over: true, .. }))) {
            // The program has ended; who looks after it has not, and is all that still runs.
            seen.phase = Phase::Stopping;
            (seen.ready, seen.ready_since) = (false, None);
        }
        if seen.may_run() {
            // The process that people look for is the program's, never that of who looks after it.
            seen.pid = seen.pid.and(now.ok().flatten().and_then(|now| now.pid));
            return seen;
        }
        match now {
            // The role was killed, and nobody starts another: its container is not over before it was taken away.
            Ok(Some(now)) if !now.over && now.engine.is_some() => {
                seen.phase = Phase::Stopping;
                seen.message = "its container is taken away".into();
            }
            Ok(Some(Now { exit: Some(code), .. })) if seen.exit == Some(Exit::Unknown) => {
                seen.exit = Some(how(code));
            }
            _ => {}
        }
        seen
    }

    /// Takes away what nobody wants, beside everything else.
    fn sweep(&self, seen: &[ObservedInstance]) {
        let now = self.clock.now();
        {
            let mut last = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if now.since(*last) < BETWEEN {
                return;
            }
            *last = now;
        }
        let known: Vec<Id> = seen.iter().map(|one| one.id.clone()).collect();
        let (folders, before) = (self.folders.clone(), self.said.clone());
        tokio::spawn(async move {
            let mut left = BTreeSet::new();
            let old = {
                let folders = folders.clone();
                tokio::task::spawn_blocking(move || forsaken(&folders, &known)).await
            };
            for id in old.unwrap_or_default() {
                if let Err(Trouble::Away(why) | Trouble::Why(why)) = forget(&folders, &id).await {
                    left.insert(format!("the container of {id} is left: {why}"));
                }
            }
            match sweep::sweep(&folders).await {
                Ok(0) => {}
                Ok(count) => tracing::warn!(count, "containers that nothing wants: taken away"),
                Err(Trouble::Away(why) | Trouble::Why(why)) => {
                    left.insert(format!("containers that nothing wants are left: {why}"));
                }
            }
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            for words in left.difference(&before) {
                tracing::warn!("{words}");
            }
            *before = left;
        });
    }

    /// What is over but for its container.
    fn finish(&self, seen: &ObservedInstance) {
        if seen.phase != Phase::Stopping || seen.pid.is_some() {
            return;
        }
        let (folders, id) = (self.folders.clone(), seen.id.clone());
        let folder = folders.of(&id);
        tokio::spawn(async move {
            // Whoever holds it looks after the container.
            let Ok(Some(_lock)) = folder.lock() else { return };
            let Ok(Some(mut now)) = Now::read(&folder) else { return };
            let (false, Some(socket)) = (now.over, now.engine.clone()) else { return };
            let Ok(Some(order)) = Order::read(&folder) else { return };
            if sweep::remove_all_of(&Engine::at(socket), &order, now.attempt).await.is_ok() {
                now.over = true;
                let _ = now.write(&folder);
            }
        });
    }
}

/// What can be said of files and volumes before anything is made: nothing of them leads out of where it is to be.
fn fits(spec: &InstanceSpec, volumes: &Path) -> Result<(), String> {
    for target in spec.files.keys() {
        create::inside("/", target)?;
    }
    for mount in &spec.setting.mounts {
        if !mount.target.starts_with('/') {
            return Err(format!("volume at {}: its place inside must be absolute", mount.target));
        }
        create::inside("/", &mount.target)?;
        volume::source(volumes, mount)?;
    }
    Ok(())
}

/// How a container ended, by its exit code.
const fn how(code: i32) -> Exit {
    match code {
        129..=192 => Exit::Signal { signal: code - 128 },
        _ => Exit::Code { code },
    }
}

/// Folders of no instance that are no longer young.
fn forsaken(folders: &Folders, known: &[Id]) -> Vec<Id> {
    let old = |id: &Id| {
        let meta = std::fs::metadata(folders.of(id).path());
        meta.and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok())
    };
    let ids = folders.ids().unwrap_or_default();
    ids.into_iter()
        .filter(|id| !known.contains(id) && old(id).is_some_and(|age| age > YOUNG))
        .collect()
}

/// Takes away an instance's containers, its folder, and its pod's network where it was the last.
async fn forget(folders: &Folders, id: &Id) -> Result<(), Trouble> {
    let folder = folders.of(id);
    let own = |err: std::io::Error| Trouble::Why(format!("{}: {err}", folder.path().display()));
    if !folder.exists() {
        return Ok(());
    }
    // Held until the folder has lost its name: nobody makes another container meanwhile.
    let lock = folder.lock().map_err(own)?;
    if lock.is_none() {
        return Err(Trouble::Why(format!("{id} still has somebody who looks after it")));
    }
    let order = Order::read(&folder).map_err(own)?;
    let now = Now::read(&folder).map_err(own)?;
    let attempt = now.as_ref().map_or(0, |now| now.attempt);
    let engine = now.and_then(|now| now.engine).map(Engine::at);
    if let (Some(order), Some(engine)) = (&order, &engine) {
        sweep::remove_all_of(engine, order, attempt).await?;
        // Before the folder goes: whoever dies in between comes here again.
        pod::leave(folders, order, engine).await?;
    }
    folders.discard(&folder).map_err(own)
}

#[async_trait]
impl Runtime for ContainerRuntime {
    fn node(&self) -> String {
        self.inner.node()
    }

    async fn fence(&self, epoch: i64) -> Result<(), PortError> {
        self.inner.fence(epoch).await
    }

    async fn facts(&self, runtime: &Executes) -> Result<RuntimeFacts, PortError> {
        if runtime.isolation() == Isolation::Container {
            return Ok(facts::facts(runtime).await);
        }
        self.inner.facts(runtime).await
    }

    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError> {
        let seen = self.inner.observe().await?;
        self.sweep(&seen);
        let seen: Vec<ObservedInstance> = seen.into_iter().map(|one| self.told(one)).collect();
        for one in seen.iter().filter(|one| one.isolation == Isolation::Container) {
            self.finish(one);
        }
        Ok(seen)
    }

    async fn start(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        if spec.setting.isolation != Isolation::Container {
            return self.inner.start(epoch, spec).await;
        }
        let can = facts::can(&spec.setting.runtime);
        if let Some(lacks) = spec.needs().into_iter().find(|need| !can.contains(need)) {
            return Err(PortError::Refused(format!("{}: no container has {lacks}", spec.id)));
        }
        // An order is never written again: whoever is no longer in charge may not write the first.
        self.inner.fence(epoch).await?;
        let folder = self.folders.of(&spec.id);
        let archive = match (&spec.program, &spec.artifact) {
            (Program::Image { .. }, Some(digest)) => Some(self.blobs.path(digest).await?),
            _ => None,
        };
        self.place(spec, &folder, archive)?;
        self.inner.start(epoch, &self.role(spec, &folder)).await
    }

    async fn renew(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        self.inner.renew(epoch, spec).await
    }

    async fn stop(&self, epoch: i64, id: &Id, grace: Duration) -> Result<(), PortError> {
        self.inner.stop(epoch, id, grace).await
    }

    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        // Refuses while the role runs, and says so best; the container goes with what is left of the instance.
        let folder = self.folders.of(id);
        self.inner.remove(epoch, id).await?;
        if !folder.exists() {
            return Ok(());
        }
        forget(&self.folders, id).await.map_err(|trouble| match trouble {
            Trouble::Away(why) | Trouble::Why(why) => PortError::Unavailable(why),
        })
    }

    async fn logs(
        &self,
        id: &Id,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        self.inner.logs(id, query).await
    }

    async fn exec(&self, epoch: i64, id: &Id, spec: ExecSpec) -> Result<ExecSession, PortError> {
        let folder = self.folders.of(id);
        let own = |err: std::io::Error| PortError::Unavailable(err.to_string());
        let Some(order) = Order::read(&folder).map_err(own)? else {
            return self.inner.exec(epoch, id, spec).await;
        };
        self.inner.fence(epoch).await?;
        let gone = || PortError::NotThere(format!("{id}, as something that runs,"));
        let now = Now::read(&folder).map_err(own)?.filter(|now| !now.over).ok_or_else(gone)?;
        let engine = Engine::at(now.engine.clone().ok_or_else(gone)?);
        match session::start(engine, &order.container(now.attempt), &spec).await {
            Ok(started) => Ok(session::hand_over(started)),
            Err(EngineError::Away(why)) => Err(PortError::Unavailable(why)),
            Err(err) if err.is_missing() => Err(gone()),
            // What the engine says to a container that is ending.
            Err(err) if err.is_conflict() => Err(gone()),
            Err(EngineError::Says { message, .. }) => {
                Err(PortError::Refused(session::refused(&message, &spec.argv)))
            }
        }
    }

    async fn free_ports(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError> {
        self.inner.free_ports(count, taken).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }
}
