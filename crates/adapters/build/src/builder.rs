//! The control plane's half: accepts builds, hands them to the runtime, reads how they ended, brings what they made to
//! the blobs.
//!
//! The order of effects makes every crash harmless: `build.json` before the instance, the result before the end of the
//! process, the blob before `artifact.json`; taken away in reverse, the folder last, so that nothing is ever running of
//! which no folder tells.

use crate::detect::{self, Detected};
use crate::environment::SECRETS as SECRETS_VARIABLE;
use crate::order::{
    self, ARTIFACT, BUILD, CANCELLED, Made, OUTPUT, Order, Outcome, RESULT, SECRETS, TEMPORARY,
    WORK,
};
use crate::sight::Sight;
use crate::{Limits, alone, dockerfile, toolchain, tree};
use async_trait::async_trait;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use tokio::io::AsyncReadExt as _;
use tow_names::{Duration, Id, Timestamp};
use tow_ports::{Blobs, Builder, ByteStream, Clock, LogQuery, PortError, Runtime};
use tow_record::{
    Artifact, Bounds, BuildSpec, BuildTool, Exit, Found, InstanceSpec, LogLine, ObservedBuild,
    ObservedInstance, Phase, Probe, Program, Restart, Setting,
};

/// From SIGTERM to SIGKILL of a build that is cancelled: nothing of it is worth a longer farewell.
const GRACE: Duration = Duration::from_secs(1);
/// The same where an engine has to give the build up, too.
const GRACE_OF_ENGINE: Duration = Duration::from_secs(10);
/// How long `remove` waits for the last process to be gone, and how often it looks.
const PATIENCE: (u32, std::time::Duration) = (100, std::time::Duration::from_millis(50));

/// Where builds happen.
pub struct Config {
    /// Executes them.
    pub runtime: Arc<dyn Runtime>,
    /// Holds the sources, takes the artifacts.
    pub blobs: Arc<dyn Blobs>,
    /// A folder of its own (`data/run/b`), on the machine of the runtime: one folder below it for each build.
    pub dir: PathBuf,
    /// The program whose role `builder` is run, with its full path.
    pub tow: PathBuf,
    /// What speeds up later builds (`data/cache`); may be emptied while nothing builds.
    pub cache: PathBuf,
    /// For the time an artifact came to be.
    pub clock: Arc<dyn Clock>,
    /// What builds see of the environment, beside what the runtime passes on: see [`crate::inherited`].
    pub env: BTreeMap<String, String>,
    /// How much one build may use.
    pub limits: Limits,
}

/// Builds as instances of a runtime.
pub struct ProcessBuilder {
    config: Config,
    /// What tools called themselves a moment ago: asking takes its time, and many ask at once.
    versions: Versions,
    /// One archive at a time is brought to the blobs, and each once.
    bringing: tokio::sync::Mutex<()>,
}

impl ProcessBuilder {
    /// Touches nothing yet; the folders are made when the first build comes. Relative paths are taken from the present
    /// working folder: the builder's process has another one.
    pub fn new(mut config: Config) -> Self {
        for path in [&mut config.dir, &mut config.tow, &mut config.cache] {
            *path = absolute(path);
        }
        Self { config, versions: Versions::default(), bringing: tokio::sync::Mutex::new(()) }
    }

    fn dir(&self, id: &Id) -> PathBuf {
        self.config.dir.join(id.as_str())
    }

    fn instance(
        &self,
        order: &Order,
        secrets: &BTreeMap<String, String>,
    ) -> Result<InstanceSpec, PortError> {
        let dir = self.dir(&order.id);
        let mut env = self.config.env.clone();
        if !secrets.is_empty() {
            let text = serde_json::to_string(secrets)
                .map_err(|_| PortError::Refused("the build's secrets can't be passed on".into()))?;
            env.insert(SECRETS_VARIABLE.into(), text);
        }
        let setting = Setting {
            bounds: Bounds {
                memory: Some(order.limits.memory),
                cpu_millis: order.spec.bounds.cpu_millis,
                processes: Some(order.limits.processes),
                // Watched by the build itself, which knows what of it is kept for the next one.
                disk: None,
            },
            ..Setting::default()
        };
        Ok(InstanceSpec {
            id: order.id.clone(),
            program: Program::Command {
                argv: vec![
                    self.config.tow.display().to_string(),
                    "builder".into(),
                    dir.display().to_string(),
                ],
            },
            artifact: None,
            env,
            files: BTreeMap::new(),
            ports: Vec::new(),
            listen: Vec::new(),
            readiness: Probe::Alive,
            liveness: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            successes: 1,
            restart: Restart::Never,
            grace: grace(order),
            before_stop: None,
            time_limit: Some(order.spec.timeout),
            setting,
            title: match &order.spec.component {
                Some(component) => format!("build of {}", component.short()),
                None => format!("build of {}", order.spec.source.short()),
            },
        })
    }

    async fn instance_of(&self, id: &Id) -> Result<Option<ObservedInstance>, PortError> {
        let all = self.config.runtime.observe().await?;
        Ok(all.into_iter().find(|instance| instance.id == *id))
    }

    /// The archive goes to the blobs, once; then the artifact is written down and the archive's first copy goes away.
    async fn bring(&self, order: &Order, made: Made) -> Result<Artifact, PortError> {
        let _one = self.bringing.lock().await;
        let dir = self.dir(&order.id);
        if let Some(artifact) = off({
            let dir = dir.clone();
            move || order::read::<Artifact>(&dir, ARTIFACT)
        })
        .await?
        {
            if self.config.blobs.has(&artifact.digest).await? {
                return Ok(artifact);
            }
            return Err(PortError::NotThere(format!("the archive of {}", order.id)));
        }
        let (digest, size) =
            self.config.blobs.put(pieces(dir.join(OUTPUT)).await?, order.limits.output).await?;
        if digest != made.digest {
            // Somebody wrote to it after it was finished; the bytes of a damaged archive must not be run.
            return Err(PortError::Refused(format!(
                "the archive of {} is not the one that was made: {} instead of {}",
                order.id,
                digest.short(),
                made.digest.short()
            )));
        }
        let artifact = Artifact {
            key: order.spec.key(),
            digest,
            size,
            tool: made.tool,
            entry: made.entry,
            is_static: made.is_static,
            image: made.image,
            build: order.id.clone(),
            created_at: self.config.clock.now(),
            toolchain: made.toolchain,
            platform: toolchain::platform(),
            component: order.spec.component.clone(),
            source: Some(order.spec.source.clone()),
        };
        let kept = artifact.clone();
        off(move || {
            order::write(&dir, ARTIFACT, &kept)?;
            let _ = std::fs::remove_file(dir.join(OUTPUT));
            Ok(())
        })
        .await?;
        Ok(artifact)
    }
}

#[async_trait]
impl Builder for ProcessBuilder {
    async fn inspect(&self, spec: &BuildSpec) -> Result<Found, PortError> {
        let source = self.config.blobs.path(&spec.source).await?;
        let (asked, spec, env) = (spec.clone(), spec.clone(), self.config.env.clone());
        let versions = self.versions.clone();
        let done = tokio::task::spawn_blocking(move || look(&source, &spec, &env, &versions)).await;
        let mut found = match done {
            Ok(found) => found.map_err(PortError::Refused)?,
            Err(error) => return Err(PortError::Unavailable(format!("builds: {error}"))),
        };
        if found.tool == BuildTool::Dockerfile {
            match dockerfile::toolchain(&asked).await {
                Ok(toolchain) => found.toolchain = toolchain,
                Err(why) => found.missing = Some(why),
            }
        }
        Ok(found)
    }

    async fn cancel(&self, epoch: i64, id: &Id, why: &str) -> Result<(), PortError> {
        let (dir, why) = (self.dir(id), why.to_string());
        let known = off(move || {
            let known = order::read::<Order>(&dir, BUILD)?;
            if known.is_some() && order::read::<Outcome>(&dir, RESULT)?.is_none() {
                order::write(&dir, CANCELLED, &why)?;
            }
            Ok(known)
        })
        .await?;
        let grace = known.as_ref().map_or(GRACE, grace);
        match self.config.runtime.stop(epoch, id, grace).await {
            Err(PortError::NotThere(_)) => Ok(()),
            done if known.is_some() => done,
            _ => Ok(()),
        }
    }

    async fn start(
        &self,
        epoch: i64,
        id: &Id,
        spec: &BuildSpec,
        secrets: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let dir = self.dir(id);
        let known = off({
            let dir = dir.clone();
            move || order::read::<Order>(&dir, BUILD)
        })
        .await?;
        let order = match known {
            Some(order) => order,
            None => {
                let order = Order {
                    id: id.clone(),
                    spec: dockerfile::placed(spec).await,
                    source: absolute(&self.config.blobs.path(&spec.source).await?),
                    cache: self.config.cache.clone(),
                    limits: self.config.limits.of(&spec.bounds),
                    accepted_at: now,
                };
                let written = order.clone();
                off(move || {
                    std::fs::create_dir_all(&dir)?;
                    order::write(&dir, BUILD, &written)
                })
                .await?;
                order
            }
        };
        // Asked again even where the order was known: whoever wrote it may have died before this line.
        self.config.runtime.start(epoch, &self.instance(&order, secrets)?).await
    }

    async fn observe(&self, id: &Id) -> Result<ObservedBuild, PortError> {
        let dir = self.dir(id);
        let order = off({
            let dir = dir.clone();
            move || order::read::<Order>(&dir, BUILD)
        })
        .await?;
        // The instance first, the result second: one that ends in between is seen as still running.
        let instance = self.instance_of(id).await?;
        let Some(order) = order else {
            return Err(PortError::NotThere(format!("build {id}")));
        };
        let exit = instance.as_ref().and_then(|instance| instance.exit);
        let seen = |running, artifact, message: String| ObservedBuild {
            id: id.clone(),
            running,
            exit,
            artifact,
            message,
        };
        if instance.as_ref().is_some_and(ObservedInstance::may_run) {
            return Ok(seen(true, None, String::new()));
        }
        // One that was killed could not end what it began in an engine.
        dockerfile::traces::end(&dir).await;
        let outcome = off(move || {
            // A build that was killed could not clean up after itself.
            for name in [WORK, TEMPORARY, SECRETS] {
                tree::clear(&dir.join(name))?;
            }
            Ok((order::read::<Outcome>(&dir, RESULT)?, order::read::<String>(&dir, CANCELLED)?))
        })
        .await?;
        let (outcome, cancelled) = outcome;
        match outcome {
            Some(Outcome::Made(made)) => match self.bring(&order, made).await {
                Ok(artifact) => Ok(ObservedBuild {
                    exit: Some(Exit::Code { code: 0 }),
                    ..seen(false, Some(artifact), String::new())
                }),
                Err(PortError::NotThere(what)) => {
                    Ok(seen(false, None, format!("{what} is no longer kept; build again")))
                }
                Err(PortError::Refused(why)) => Ok(seen(false, None, why)),
                Err(error) => Err(error),
            },
            Some(Outcome::Failed { message }) => Ok(seen(false, None, message)),
            None if cancelled.is_some() => Ok(seen(false, None, cancelled.unwrap_or_default())),
            // Written down and not started: whoever was at it died. Started again, it goes on from here.
            None if instance.is_none() => {
                Err(PortError::NotThere(format!("build {id} has not been started")))
            }
            None => Ok(seen(false, None, without_result(&order, instance.as_ref()))),
        }
    }

    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        let runtime = &self.config.runtime;
        let gone =
            |error| if matches!(error, PortError::NotThere(_)) { Ok(()) } else { Err(error) };
        runtime.stop(epoch, id, GRACE).await.or_else(gone)?;
        let (mut tries, pause) = PATIENCE;
        loop {
            match runtime.remove(epoch, id).await.or_else(gone) {
                Ok(()) => break,
                Err(PortError::Refused(_)) if tries > 0 => tries -= 1,
                Err(PortError::Refused(_)) => {
                    return Err(PortError::Unavailable(format!("build {id} has not ended yet")));
                }
                Err(error) => return Err(error),
            }
            // Processes end in the machine's time, whatever our own clock says.
            tokio::time::sleep(pause).await;
        }
        let dir = self.dir(id);
        dockerfile::traces::end(&dir).await;
        off(move || tree::clear(&dir)).await
    }

    async fn log(&self, id: &Id, tail: usize) -> Result<Vec<LogLine>, PortError> {
        let query = LogQuery { tail: Some(tail), ..LogQuery::default() };
        match self.config.runtime.logs(id, query).await {
            Ok(lines) => Ok(lines.collect().await),
            // Accepted and not yet started: its log is empty.
            Err(PortError::NotThere(_)) if self.dir(id).join(BUILD).exists() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn list(&self) -> Result<Vec<Id>, PortError> {
        let dir = self.config.dir.clone();
        off(move || {
            let entries = match std::fs::read_dir(&dir) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut ids = Vec::new();
            for entry in entries {
                ids.extend(entry?.file_name().to_str().and_then(Id::parse));
            }
            ids.sort();
            Ok(ids)
        })
        .await
    }
}

/// By tool and what it needs: its version, and when it was asked.
type Versions = Arc<std::sync::Mutex<BTreeMap<String, (std::time::Instant, String)>>>;
/// An answer holds for so long: a tool that is replaced is known soon enough.
const VERSION_HOLDS: std::time::Duration = std::time::Duration::from_secs(20);

/// What would build a source here.
fn look(
    source: &Path,
    spec: &BuildSpec,
    env: &BTreeMap<String, String>,
    versions: &Versions,
) -> Result<Found, String> {
    let archive = std::fs::File::open(source)
        .map_err(|error| format!("cannot read the source {}: {error}", spec.source.short()))?;
    let (sight, content) = Sight::of_archive(archive, spec)?;
    let Detected { tool, because, runs, notes, .. } = detect::detect(&sight, spec)?;
    if spec.offline && tool != BuildTool::Dockerfile {
        alone::wrapper(env)?;
    }
    let needs: Vec<&str> = toolchain::needs(tool, &sight).iter().map(|need| need.program).collect();
    let asked = format!("{tool} {}", needs.join(" "));
    let known = versions
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&asked)
        .filter(|(at, _)| at.elapsed() < VERSION_HOLDS)
        .map(|(_, version)| version.clone());
    let toolchain = match known {
        Some(version) => version,
        None => {
            let version = toolchain::version(tool, &sight, env)?;
            let now = (std::time::Instant::now(), version.clone());
            versions.lock().unwrap_or_else(PoisonError::into_inner).insert(asked, now);
            version
        }
    };
    Ok(Found {
        tool,
        because,
        toolchain,
        platform: toolchain::platform(),
        content,
        runs,
        notes,
        missing: None,
    })
}

/// From SIGTERM to SIGKILL.
fn grace(order: &Order) -> Duration {
    match order.spec.found.as_ref().map(|found| found.tool) {
        Some(BuildTool::Dockerfile) => GRACE_OF_ENGINE,
        _ => GRACE,
    }
}

/// Why a build that is over left no result, as far as anybody can say.
fn without_result(order: &Order, instance: Option<&ObservedInstance>) -> String {
    let Some(instance) = instance else {
        return "it was accepted and has not been started".into();
    };
    let said = |fallback: String| {
        if instance.message.is_empty() { fallback } else { instance.message.clone() }
    };
    match (instance.phase, instance.exit) {
        (_, Some(Exit::Timeout)) => format!(
            "it took longer than {} and was ended; give it more with build.timeout in tow.yaml",
            order.spec.timeout
        ),
        (_, Some(Exit::NotStarted)) => said("the builder could not be started".into()),
        (Phase::Lost, _) => said("its machine was restarted while it ran".into()),
        (_, Some(Exit::Signal { signal })) => {
            said(format!("it was ended by signal {signal} before it was done"))
        }
        (_, Some(Exit::Code { code })) => said(format!(
            "the builder ended with status {code} and left no result; is there space on the disk?"
        )),
        (_, Some(Exit::Unknown) | None) => {
            said("it ended while nobody was there to be told, and left no result".into())
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

/// A file as a stream, in pieces of 256 KiB.
async fn pieces(path: PathBuf) -> Result<ByteStream, PortError> {
    const PIECE: usize = 256 * 1024;
    let broken = |error: std::io::Error| PortError::Unavailable(format!("reading failed: {error}"));
    let file = match tokio::fs::File::open(&path).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(PortError::NotThere("the build's archive".into()));
        }
        opened => opened.map_err(broken)?,
    };
    let stream = futures::stream::try_unfold(file, move |mut file| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        let count = file.read_buf(&mut piece).await.map_err(broken)?;
        Ok((count > 0).then(|| (piece.freeze(), file)))
    });
    Ok(stream.boxed())
}

/// Work on files, away from the threads that answer. A full disk or a missing right is for people; the rest may pass.
async fn off<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, PortError> {
    let done = tokio::task::spawn_blocking(work).await;
    let error = match done {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(error) => return Err(PortError::Unavailable(format!("builds: {error}"))),
    };
    Err(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => PortError::Refused(
            "the disk is full, so nothing can be built; free some space and try again".into(),
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => PortError::Refused(format!(
            "the folder of builds can't be used: {error}; look at the owner of the data directory"
        )),
        _ => PortError::Unavailable(format!("builds: {error}")),
    })
}
