//! The port `runtime`: instances that are only pretended.

use crate::act;
use crate::exec;
use crate::life::Life;
use crate::script::{Script, VARIABLE};
use crate::world::{World, WorldState, obey};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tow_names::{Duration, Id, Timestamp};
use tow_ports::{ExecSession, ExecSpec, LogQuery, PortError, Runtime};
use tow_record::{
    Can, Executes, InstanceSpec, Isolation, LogLine, ObservedInstance, Program, RuntimeFacts,
};

/// Where pretended ports begin.
const FIRST_PORT: u16 = 20_000;
/// Pretended pids are apart by so much, so that restarts have pids of their own.
const PIDS: u32 = 100_000;

/// Executes nothing, and says it did.
pub struct FakeRuntime {
    world: Arc<World>,
    seen: Mutex<Option<Vec<ObservedInstance>>>,
}

impl std::fmt::Debug for FakeRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeRuntime").field("world", &self.world).finish()
    }
}

impl FakeRuntime {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, seen: Mutex::default() }
    }
}

/// The last script a test gave that meets it, else what its environment says, else a good one.
fn script_for(state: &WorldState, spec: &InstanceSpec) -> Result<Script, PortError> {
    if let Some((_, script)) = state.scripts.iter().rev().find(|(to, _)| to.meets(spec)) {
        return Ok(script.clone());
    }
    if let Some(text) = spec.env.get(VARIABLE) {
        return Script::parse(text).map_err(|error| PortError::Refused(error.to_string()));
    }
    let argv = match &spec.program {
        Program::Command { argv } => argv.clone(),
        Program::Image { command, args, .. } => {
            command.iter().chain(args).flatten().cloned().collect()
        }
        Program::Static => Vec::new(),
        Program::Role { args } => args.clone(),
    };
    match act::acts_of(&argv) {
        // Any other program is a good one.
        Some(acts) if argv.first().is_some_and(|word| word == act::PRETENDED) => {
            Ok(Script::of(acts))
        }
        _ => Ok(Script::default()),
    }
}

/// What this runtime, or any, can't do is refused before anything is there.
fn admit(spec: &InstanceSpec) -> Result<(), PortError> {
    let can = can(spec.setting.isolation);
    if let Some(lacking) = spec.needs().into_iter().find(|need| !can.contains(need)) {
        return Err(PortError::Refused(format!("this runtime lacks {lacking}")));
    }
    let escapes = |path: &str| path.split('/').any(|part| part == "..");
    let files = spec.files.keys().map(String::as_str);
    let below = spec.setting.mounts.iter().filter_map(|mount| mount.path.as_deref());
    let targets = spec.setting.mounts.iter().map(|mount| mount.target.as_str());
    if let Some(path) = files.chain(below).chain(targets.clone()).find(|path| escapes(path)) {
        return Err(PortError::Refused(format!("{path} leads out of its folder")));
    }
    match targets.into_iter().find(|target| !target.starts_with('/')) {
        Some(target) => Err(PortError::Refused(format!("{target} is not absolute"))),
        None => Ok(()),
    }
}

/// Pretending is easy: whatever is declared is there.
fn can(isolation: Isolation) -> BTreeSet<Can> {
    let all = [
        Can::Artifacts,
        Can::Volumes,
        Can::MemoryLimit,
        Can::CpuLimit,
        Can::Exec,
        Can::HandedSockets,
    ];
    let inside =
        [Can::AbsoluteFiles, Can::ProcessLimit, Can::DiskLimit, Can::OwnNetwork, Can::PodNetwork];
    let mut can = BTreeSet::from(all);
    can.extend((isolation != Isolation::Container).then_some(Can::VolumePaths));
    can.extend(inside.into_iter().filter(|_| isolation != Isolation::None));
    let boxed = [Can::Images, Can::OtherUser, Can::ReadOnlyRoot];
    can.extend(boxed.into_iter().filter(|_| isolation == Isolation::Container));
    can
}

fn ports(state: &WorldState, now: Timestamp) -> BTreeSet<u16> {
    let held = state.lives.values().filter(|life| life.observed(now).may_run());
    held.flat_map(|life| life.spec.ports.clone()).collect()
}

/// A pretended archive is a JSON object, path → text; any other holds nothing that could be read.
fn unpacked(state: &WorldState, spec: &InstanceSpec) -> BTreeMap<String, String> {
    let archive = spec.artifact.as_ref().and_then(|digest| state.blobs.get(digest));
    let mut files: BTreeMap<String, String> =
        archive.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    files.retain(|path, _| !spec.files.contains_key(path));
    files
}

/// Addresses with port 0 get one.
fn bind(state: &WorldState, spec: &InstanceSpec, now: Timestamp) -> Vec<String> {
    let mut taken = ports(state, now);
    taken.extend(&spec.ports);
    let bound = state.lives.values().flat_map(|life| &life.listening);
    taken.extend(bound.filter_map(|at| at.rsplit(':').next()?.parse::<u16>().ok()));
    let one = |address: &String| match address.strip_suffix(":0") {
        Some(host) => {
            let port = (FIRST_PORT..=u16::MAX).find(|port| taken.insert(*port)).unwrap_or(0);
            format!("{host}:{port}")
        }
        None => address.clone(),
    };
    spec.listen.iter().map(one).collect()
}

/// Where this runtime differs from every other, for whoever reads a plan.
const PRETENDED: &str =
    "everything is pretended here: every program and every artifact is there, and nothing runs";

#[async_trait]
impl Runtime for FakeRuntime {
    fn node(&self) -> String {
        "fake".into()
    }

    async fn fence(&self, epoch: i64) -> Result<(), PortError> {
        self.world.call("runtime.fence", |state, _| obey(&mut state.runtime_epoch, epoch))
    }

    async fn facts(&self, runtime: &Executes) -> Result<RuntimeFacts, PortError> {
        let isolation = runtime.isolation();
        let can = can(isolation);
        let notes = vec![PRETENDED.to_string()];
        Ok(RuntimeFacts { isolation, can, unavailable: None, notes })
    }

    async fn exec(&self, epoch: i64, id: &Id, spec: ExecSpec) -> Result<ExecSession, PortError> {
        exec::exec(&self.world, epoch, id, spec)
    }

    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError> {
        self.world.ask("runtime.observe", |state, now| {
            Ok(state.lives.values().map(|life| life.observed(now)).collect())
        })
    }

    async fn start(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        self.world.call("runtime.start", |state, now| {
            obey(&mut state.runtime_epoch, epoch)?;
            if state.lives.contains_key(&spec.id) {
                return Ok(());
            }
            admit(spec)?;
            let script = script_for(state, spec)?;
            let started: u32 = state.starts.values().sum();
            let pid = (started + 1) * PIDS;
            let mut life = Life::begin(spec.clone(), script, pid, now, &mut state.ground);
            life.files = unpacked(state, spec);
            life.listening = bind(state, spec, now);
            life.settle(now, &mut state.ground);
            state.lives.insert(spec.id.clone(), life);
            *state.starts.entry(spec.id.clone()).or_default() += 1;
            Ok(())
        })
    }

    async fn stop(&self, epoch: i64, id: &Id, grace: Duration) -> Result<(), PortError> {
        self.world.call("runtime.stop", |state, now| {
            obey(&mut state.runtime_epoch, epoch)?;
            if let Some(life) = state.lives.get_mut(id) {
                life.stop(now, grace, &mut state.ground);
            }
            Ok(())
        })
    }

    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        self.world.call("runtime.remove", |state, now| {
            obey(&mut state.runtime_epoch, epoch)?;
            if state.lives.get(id).is_some_and(|life| life.observed(now).may_run()) {
                return Err(PortError::Refused(format!("{id} still runs: stop it first")));
            }
            state.lives.remove(id);
            Ok(())
        })
    }

    async fn logs(
        &self,
        id: &Id,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        let lines = self.world.ask("runtime.logs", |state, _| match state.lives.get(id) {
            Some(life) => Ok(life.lines.clone()),
            None => Err(PortError::NotThere(format!("the instance {id}"))),
        })?;
        let told = lines.len();
        let mut wanted: Vec<LogLine> = lines
            .into_iter()
            .filter(|line| query.after.is_none_or(|after| line.at > after))
            .collect();
        if let Some(tail) = query.tail {
            wanted.drain(..wanted.len().saturating_sub(tail));
        }
        let written = stream::iter(wanted);
        if !query.follow {
            return Ok(written.boxed());
        }
        let (world, id) = (Arc::clone(&self.world), id.clone());
        let rest = stream::unfold(told, move |told| {
            let (world, id) = (Arc::clone(&world), id.clone());
            async move { Some((next_line(&world, &id, told).await, told + 1)) }
        });
        Ok(written.chain(rest).boxed())
    }

    async fn free_ports(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError> {
        self.world.ask("runtime.free_ports", |state, now| {
            let held = ports(state, now);
            let free = (FIRST_PORT..=u16::MAX)
                .filter(|port| !taken.contains(port) && !held.contains(port));
            let free: Vec<u16> = free.take(count).collect();
            if free.len() == count {
                Ok(free)
            } else {
                Err(PortError::Refused("no port is left".into()))
            }
        })
    }

    async fn changed(&self) {
        let mut touched = self.world.touched.subscribe();
        loop {
            let (now, next) = self.world.sight();
            {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.as_ref() != Some(&now) {
                    *seen = Some(now);
                    return;
                }
            }
            wait(&self.world, &mut touched, next).await;
        }
    }
}

/// Until somebody does something, or time does.
async fn wait(
    world: &World,
    touched: &mut tokio::sync::watch::Receiver<u64>,
    next: Option<Timestamp>,
) {
    let by_time = async {
        match next {
            Some(next) => world.clock.sleep_until(next).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = touched.changed() => {}
        () = by_time => {}
    }
}

/// The line after the first `told` ones; never returns where none will come.
async fn next_line(world: &World, id: &Id, told: usize) -> LogLine {
    let mut touched = world.touched.subscribe();
    loop {
        let line = world.look(|state, _| state.lives.get(id)?.lines.get(told).cloned());
        match line {
            Some(line) => return line,
            None => wait(world, &mut touched, world.next_change()).await,
        }
    }
}
