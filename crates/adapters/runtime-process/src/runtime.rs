//! The port: every effect is fenced, idempotent, and recoverable at each point by doing it again.

use crate::folder::Folder;
use crate::link::{Asked, Link};
use crate::observe::Watch;
use crate::ports::Ports;
use crate::sandbox::{self, Confined, Found};
use crate::spec::SpecFile;
use crate::state::{Kept, State};
use crate::unpack::UnpackError;
use crate::usage::Usages;
use crate::{clear, launch, log, passed, prepare, proc, state};
use async_trait::async_trait;
use futures::future::join_all;
use futures::stream::BoxStream;
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tow_names::{Duration, Id};
use tow_ports::{Blobs, Clock, ExecSession, ExecSpec, LogQuery, PortError, Runtime};
use tow_record::{
    Executes, InstanceSpec, Isolation, LogLine, ObservedInstance, Program, RuntimeFacts,
};

/// Folders that are being deleted; no id begins with a dot.
const TRASH: &str = ".trash-";

/// What the runtime is given.
pub struct Config {
    /// `data/run/i`: a folder for each instance. Made where it is not there.
    pub dir: PathBuf,
    /// The executable whose `shim` role is [`crate::shim_main`]; it must stay as it is while shims run.
    pub tow: PathBuf,
    /// `data/volumes`: a folder for each volume, which no instance's end takes away.
    pub volumes: PathBuf,
    /// `data`: nothing of it is seen in a sandbox but what is an instance's own.
    pub hidden: PathBuf,
    /// Where artifacts are.
    pub blobs: Arc<dyn Blobs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The machine's name.
    pub node: String,
}

/// Instances as processes of this machine, each under its shim. Dropping it ends nothing.
pub struct ProcessRuntime {
    dir: PathBuf,
    volumes: PathBuf,
    hidden: PathBuf,
    blobs: Arc<dyn Blobs>,
    node: String,
    watch: Arc<Watch>,
    usages: Arc<Usages>,
    ports: Ports,
    /// Effects on one instance take turns.
    turns: Mutex<HashMap<Id, Arc<tokio::sync::Mutex<()>>>>,
    /// Held while the epoch's file is compared and replaced.
    fence: Mutex<()>,
}

impl ProcessRuntime {
    /// Opens the folder; [`PortError::Unavailable`] where that can't be. Starts nothing: what runs is found by the
    /// first [`Runtime::observe`].
    pub fn new(config: Config) -> Result<Self, PortError> {
        let broken = |err: io::Error| cannot("open", &config.dir, &err);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.dir)
            .map_err(broken)?;
        // Canonical, because processes are known by the paths of their pipes.
        let dir = config.dir.canonicalize().map_err(broken)?;
        let watch = Watch::new(config.tow.clone(), config.clock.clone()).map_err(broken)?;
        for name in names(&dir).map_err(broken)? {
            if name.starts_with(TRASH) {
                let _ = clear::clear(&dir.join(name));
            }
        }
        let whole = |path: PathBuf| path.canonicalize().or_else(|_| std::path::absolute(path));
        Ok(Self {
            volumes: whole(config.volumes).map_err(broken)?,
            hidden: whole(config.hidden).map_err(broken)?,
            dir,
            blobs: config.blobs,
            node: config.node,
            watch: Arc::new(watch),
            usages: Arc::default(),
            ports: Ports::new(),
            turns: Mutex::default(),
            fence: Mutex::default(),
        })
    }

    fn turn(&self, id: &Id) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(id.clone()).or_default().clone()
    }

    /// Refuses an epoch that is behind; remembers a higher one before anything is done under it.
    fn hold(&self, given: i64) -> Result<(), PortError> {
        let _alone = self.fence.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(".epoch");
        let broken = |err: io::Error| cannot("keep the epoch in", &path, &err);
        let seen = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().unwrap_or(i64::MIN),
            Err(err) if err.kind() == io::ErrorKind::NotFound => i64::MIN,
            Err(err) => return Err(broken(err)),
        };
        if given < seen {
            return Err(PortError::Fenced { given, seen });
        }
        if given > seen {
            crate::folder::replace(&path, given.to_string().as_bytes(), true).map_err(broken)?;
        }
        Ok(())
    }

    /// The instance's state, from its shim or its folder.
    fn kept(&self, id: &Id, folder: &Folder) -> Kept {
        self.watch
            .last(id)
            .map_or_else(|| state::read(folder), |state| Kept::State(Box::new(state)))
    }

    async fn prepare(
        &self,
        epoch: i64,
        spec: &InstanceSpec,
        folder: &Folder,
        confined: Option<Confined>,
    ) -> Result<(), PortError> {
        let archive = match &spec.artifact {
            Some(digest) => Some(self.blobs.path(digest).await?),
            None => None,
        };
        let (inside, spec) = (folder.clone(), spec.clone());
        let added = prepare::Added {
            epoch,
            archive,
            passed: passed::passed_on(),
            volumes: self.volumes.clone(),
            confined,
        };
        let prepared = tokio::task::spawn_blocking(move || prepare::prepare(&inside, spec, added))
            .await
            .map_err(|err| PortError::Unavailable(err.to_string()))?;
        prepared.map_err(|err| match err {
            UnpackError::Refused(why) => PortError::Refused(why),
            UnpackError::Disk(err) => cannot("prepare", folder.path(), &err),
        })
    }

    /// A plan refused it already; whoever asks without one is told here.
    async fn refuse_what_is_not_there(&self, spec: &InstanceSpec) -> Result<(), PortError> {
        if let Program::Image { image, .. } = &spec.program {
            return Err(PortError::Refused(format!("{image} is an image: it needs an engine")));
        }
        let level = spec.setting.isolation;
        // What stands for a container is held by its engine.
        if level > Isolation::Sandbox || spec.needs().is_empty() {
            return Ok(());
        }
        for mount in &spec.setting.mounts {
            crate::volumes::admit(mount).map_err(|err| PortError::Refused(err.to_string()))?;
        }
        let can = blocking(move || crate::facts::can(level, &passed::path())).await?;
        match spec.needs().into_iter().find(|need| !can.contains(need)) {
            Some(need) => Err(PortError::Refused(format!(
                "it needs {need}, which processes of isolation {level} on this machine don't have"
            ))),
            None => Ok(()),
        }
    }

    /// How a sandbox is made here; [`PortError::Refused`] where it can't be.
    async fn confined(&self, spec: &InstanceSpec) -> Result<Confined, PortError> {
        let bwrap = match blocking(|| sandbox::find(&passed::path())).await? {
            Found::At(bwrap) => bwrap,
            Found::Not(why) => return Err(PortError::Refused(why)),
        };
        let confined =
            Confined::new(bwrap.clone(), vec![self.hidden.clone(), self.volumes.clone()]);
        if spec.setting.inside.is_empty() {
            return Ok(confined);
        }
        match blocking(move || sandbox::network::find(&bwrap, &passed::path())).await? {
            Found::At(slirp) => Ok(confined.with_network(slirp, spec)),
            Found::Not(why) => Err(PortError::Refused(why)),
        }
    }

    /// A folder in which no shim was ever in charge, and nobody here is about to start one: whoever prepared it died
    /// over it. Nothing ran, so it goes, and the start is seen as not done and made again. True: it is gone.
    async fn clear_abandoned(&self, id: &Id, folder: &Folder) -> bool {
        if self.watch.last(id).is_some() || !matches!(state::read(folder), Kept::Nothing) {
            return false;
        }
        let turn = self.turn(id);
        let Ok(_turn) = turn.try_lock() else { return false };
        // A shim that was started just before and comes late finds the lock taken, or no folder.
        let Ok(Some(_lock)) = folder.lock() else { return false };
        matches!(state::read(folder), Kept::Nothing) && self.discard(id, folder).await.is_ok()
    }

    /// Takes a folder away: first its name, so that half a folder never looks like an instance.
    async fn discard(&self, id: &Id, folder: &Folder) -> Result<(), PortError> {
        let trash = self.dir.join(format!("{TRASH}{}", Id::fresh(id.as_str())));
        let (dir, from) = (self.dir.clone(), folder.path().to_path_buf());
        let gone = tokio::task::spawn_blocking(move || {
            match std::fs::rename(&from, &trash) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => other?,
            }
            crate::folder::sync_dir(&dir)?;
            clear::clear(&trash)
        })
        .await
        .map_err(|err| PortError::Unavailable(err.to_string()))?;
        self.watch.forget(id);
        gone.map_err(|err| cannot("remove", folder.path(), &err))
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    fn node(&self) -> String {
        self.node.clone()
    }

    async fn fence(&self, epoch: i64) -> Result<(), PortError> {
        self.hold(epoch)
    }

    async fn facts(&self, runtime: &Executes) -> Result<RuntimeFacts, PortError> {
        let runtime = runtime.clone();
        blocking(move || crate::facts::facts(&runtime, &passed::path())).await
    }

    async fn exec(&self, epoch: i64, id: &Id, spec: ExecSpec) -> Result<ExecSession, PortError> {
        self.hold(epoch)?;
        crate::exec::exec(&Folder::of(&self.dir, id), epoch, id, spec).await
    }

    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError> {
        let names = names(&self.dir).map_err(|err| cannot("read", &self.dir, &err))?;
        let ids: Vec<Id> = names.iter().filter_map(|name| Id::parse(name)).collect();
        self.watch.keep(&ids);
        let looks = ids.iter().map(|id| async {
            let folder = Folder::of(&self.dir, id);
            if self.clear_abandoned(id, &folder).await {
                return None;
            }
            self.watch.look(id, &folder).await
        });
        let mut all: Vec<ObservedInstance> = join_all(looks).await.into_iter().flatten().collect();
        let (usages, dir) = (self.usages.clone(), self.dir.clone());
        blocking(move || {
            usages.add(&dir, &mut all);
            all
        })
        .await
    }

    async fn start(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        self.hold(epoch)?;
        self.refuse_what_is_not_there(spec).await?;
        let confined = match spec.setting.isolation {
            Isolation::Sandbox => Some(self.confined(spec).await?),
            _ => None,
        };
        let turn = self.turn(&spec.id);
        let _turn = turn.lock().await;
        let folder = Folder::of(&self.dir, &spec.id);
        match self.kept(&spec.id, &folder) {
            Kept::State(state) if state.epoch > epoch => {
                return Err(PortError::Fenced { given: epoch, seen: state.epoch });
            }
            // It was started; whether its shim lives is the next look's business.
            Kept::State(_) | Kept::Damaged(_) => return Ok(()),
            Kept::Nothing => {}
        }
        let broken = |err: io::Error| cannot("make", folder.path(), &err);
        match std::fs::DirBuilder::new().mode(0o700).create(folder.path()) {
            Ok(()) => crate::folder::sync_dir(&self.dir).map_err(broken)?,
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
            Err(err) => return Err(broken(err)),
        }
        let started = async {
            self.prepare(epoch, spec, &folder, confined).await?;
            launch::shim(&self.watch.tow, &folder, epoch, None).await
        };
        if let Err(err) = started.await {
            // Nothing ran: leave nothing, so that it can be tried again. A shim that is there all the same stays.
            if matches!(state::read(&folder), Kept::Nothing)
                && !folder.is_locked().unwrap_or(true)
                && !matches!(err, PortError::Unavailable(_))
            {
                self.discard(&spec.id, &folder).await?;
            }
            return Err(err);
        }
        // Only for the pushes; a look does it otherwise.
        let _ = self.watch.follow(&spec.id, &folder).await;
        self.watch.hint();
        Ok(())
    }

    async fn renew(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        self.hold(epoch)?;
        let turn = self.turn(&spec.id);
        let _turn = turn.lock().await;
        let folder = Folder::of(&self.dir, &spec.id);
        let Kept::State(state) = self.kept(&spec.id, &folder) else { return Ok(()) };
        if state.ended() {
            return Ok(());
        }
        let broken = |err: io::Error| cannot("renew", folder.path(), &err);
        let mut file = SpecFile::read(&folder).map_err(broken)?;
        let known = file.spec.listen.len();
        if file.spec.program == spec.program && known >= spec.listen.len() {
            // What a shim was told of and could not do yet is told again.
            let runs = file.argv();
            if state.coming.is_some() || state.runs.is_empty() || state.runs == runs {
                return Ok(());
            }
        } else {
            // It keeps the addresses that it has.
            file.spec.program = spec.program.clone();
            file.spec.listen.extend(spec.listen.iter().skip(known).cloned());
            file.write(&folder).map_err(broken)?;
        }
        let link = Link::open(&folder).await;
        let told = match link {
            Ok(mut link) => link.renew(epoch).await?,
            Err(_) => None,
        };
        // Without a shim another takes over within a second, and looks by itself.
        self.watch.hint();
        told.map_or_else(
            || Err(PortError::Unavailable(format!("{}: its shim does not answer", spec.id))),
            Ok,
        )
    }

    async fn stop(&self, epoch: i64, id: &Id, grace: Duration) -> Result<(), PortError> {
        self.hold(epoch)?;
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        let folder = Folder::of(&self.dir, id);
        // A shim may go between the question and the answer: look again, but not for ever.
        for _ in 0..100 {
            if !folder.exists() {
                return Ok(());
            }
            let locked = folder.is_locked().map_err(|err| cannot("lock", folder.path(), &err))?;
            if locked {
                if let Ok(mut link) = Link::open(&folder).await {
                    match link.stop(Some(epoch), grace).await? {
                        Asked::Told => {
                            self.watch.answered(id);
                            self.watch.hint();
                            return Ok(());
                        }
                        // Whoever asks has other things to do; it will ask again.
                        Asked::Silent if !self.watch.silent(id, &folder) => break,
                        Asked::Silent | Asked::Gone => {}
                    }
                }
                crate::wall::pause(std::time::Duration::from_millis(20)).await;
                continue;
            }
            match state::read(&folder) {
                Kept::State(state) if state.epoch > epoch => {
                    return Err(PortError::Fenced { given: epoch, seen: state.epoch });
                }
                Kept::State(state) if state.ended() || self.watch.is_elsewhere(&state) => {
                    return Ok(());
                }
                Kept::Nothing if !folder.spec().exists() => {
                    return never_start(id, &folder, epoch);
                }
                _ => launch::shim(&self.watch.tow, &folder, epoch, Some(grace)).await?,
            }
        }
        Err(PortError::Unavailable(format!("{id}: its shim does not answer")))
    }

    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        self.hold(epoch)?;
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        let folder = Folder::of(&self.dir, id);
        if !folder.exists() {
            self.watch.forget(id);
            return Ok(());
        }
        let runs = || PortError::Refused(format!("{id} still runs; stop it first"));
        // A shim that has ended its instance goes by itself.
        let mut lock = None;
        for _ in 0..200 {
            lock = folder.lock().map_err(|err| cannot("lock", folder.path(), &err))?;
            let ended = matches!(state::read(&folder), Kept::State(state) if state.ended());
            if lock.is_some() || !ended {
                break;
            }
            crate::wall::pause(std::time::Duration::from_millis(10)).await;
        }
        // Kept until the folder has lost its name: nobody starts anything in it meanwhile.
        let Some(_lock) = lock else { return Err(runs()) };
        let process = match state::read(&folder) {
            Kept::State(state) if state.epoch > epoch => {
                return Err(PortError::Fenced { given: epoch, seen: state.epoch });
            }
            Kept::State(state) if self.watch.is_elsewhere(&state) => None,
            Kept::State(state) => state.process,
            _ => None,
        };
        let fifos = [folder.out(), folder.err()];
        let marks = proc::Marks { process, shim: None, fifos: Some([&fifos[0], &fifos[1]]) };
        if process.is_some_and(|process| proc::lives(&process)) || !proc::members(&marks).is_empty()
        {
            return Err(runs());
        }
        if let Kept::State(state) = state::read(&folder)
            && let Some(group) = &state.group
        {
            group.remove();
        }
        self.discard(id, &folder).await
    }

    async fn logs(
        &self,
        id: &Id,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        let folder = Folder::of(&self.dir, id);
        if !folder.exists() {
            return Err(PortError::NotThere(format!("the log of {id}")));
        }
        Ok(log::stream(folder.log(), query))
    }

    async fn free_ports(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError> {
        self.ports.free(count, taken)
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PortError> {
    tokio::task::spawn_blocking(work).await.map_err(|err| PortError::Unavailable(err.to_string()))
}

/// A folder in which nothing was ever started is to stay so.
fn never_start(id: &Id, folder: &Folder, epoch: i64) -> Result<(), PortError> {
    let broken = |err: io::Error| cannot("stop", folder.path(), &err);
    let mut state = State::new(id.clone(), proc::boot().map_err(broken)?, epoch);
    state.phase = tow_record::Phase::Exited;
    state.exit = Some(tow_record::Exit::NotStarted);
    state.message = "stopped before it was started".into();
    state::write(folder, &state, true).map_err(broken)
}

/// The names in the folder.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn cannot(what: &str, path: &Path, err: &io::Error) -> PortError {
    PortError::Unavailable(format!("cannot {what} {}: {err}", path.display()))
}
