//! What there is: instances, routes, builds, blobs. Survives the platform; a test looks into it and breaks it.

use crate::act::Ground;
use crate::builder::Build;
use crate::edge::EdgeState;
use crate::life::Life;
use crate::script::{BuildScript, Script, To};
use crate::web::WebState;
use crate::{FakeBlobs, FakeBuilder, FakeEdge, FakeRuntime, FakeWeb};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tow_names::{Digest, Id, Timestamp};
use tow_ports::{Blobs, Clock, PortError, When};
use tow_record::{
    Exit, InstanceSpec, ObservedInstance, RoutePart, RouteSet, TargetCounters, Usage,
};

/// Everything that exists outside the store.
pub struct World {
    pub(crate) clock: Arc<dyn Clock>,
    state: Mutex<WorldState>,
    /// Grows when somebody does something; what time does is not counted.
    pub(crate) touched: watch::Sender<u64>,
    /// For ports that must name a file.
    pub(crate) files: tempfile::TempDir,
}

#[derive(Clone, Default)]
pub(crate) struct WorldState {
    pub(crate) lives: BTreeMap<Id, Life>,
    pub(crate) starts: BTreeMap<Id, u32>,
    pub(crate) scripts: Vec<(To, Script)>,
    pub(crate) runtime_epoch: i64,
    pub(crate) ground: Ground,
    pub(crate) commands: u64,
    pub(crate) edge: EdgeState,
    pub(crate) builds: BTreeMap<Id, Build>,
    pub(crate) build_starts: BTreeMap<Id, u32>,
    pub(crate) build_script: BuildScript,
    pub(crate) builder_epoch: i64,
    pub(crate) blobs: BTreeMap<Digest, Bytes>,
    pub(crate) web: WebState,
    faults: Vec<(String, When)>,
}

/// What is seen just now, and when it will next be different by itself.
pub(crate) type Sight = (Vec<ObservedInstance>, Option<Timestamp>);

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("snapshot", &self.snapshot()).finish()
    }
}

impl World {
    /// An empty one that moves by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> std::io::Result<Arc<Self>> {
        let files = tempfile::tempdir()?;
        let (touched, _) = watch::channel(0);
        Ok(Arc::new(Self { clock, state: Mutex::default(), touched, files }))
    }

    /// Another world that is as this one is now and goes its own way by another clock. Blobs are shared bytes.
    pub fn fork(&self, clock: Arc<dyn Clock>) -> std::io::Result<Arc<Self>> {
        let files = tempfile::tempdir()?;
        let state = self.look(|state, _| state.clone());
        let (touched, _) = watch::channel(0);
        Ok(Arc::new(Self { clock, state: Mutex::new(state), touched, files }))
    }

    /// A folder of its own, for ports that keep files; gone with the world.
    pub fn folder(&self) -> &std::path::Path {
        self.files.path()
    }

    /// A runtime of this world.
    pub fn runtime(self: &Arc<Self>) -> FakeRuntime {
        FakeRuntime::new(Arc::clone(self))
    }
    /// The edge of this world.
    pub fn edge(self: &Arc<Self>) -> FakeEdge {
        FakeEdge::new(Arc::clone(self))
    }
    /// A builder of this world that puts its artifacts among `blobs`.
    pub fn builder(self: &Arc<Self>, blobs: Arc<dyn Blobs>) -> FakeBuilder {
        FakeBuilder::new(Arc::clone(self), blobs)
    }
    /// The web of this world.
    pub fn web(self: &Arc<Self>) -> FakeWeb {
        FakeWeb::new(Arc::clone(self))
    }
    /// The blobs of this world.
    pub fn blobs(self: &Arc<Self>) -> FakeBlobs {
        FakeBlobs::new(Arc::clone(self))
    }

    /// Instances that start from here on behave so; of several scripts that meet one, the last counts.
    pub fn script(&self, to: To, script: Script) {
        self.act(|state, _| state.scripts.push((to, script)));
    }
    /// This instance behaves so from here on.
    pub fn rescript(&self, id: &Id, script: Script) {
        self.act(|state, _| {
            if let Some(life) = state.lives.get_mut(id) {
                life.script = script;
            }
        });
    }
    /// Builds that start from here on go so.
    pub fn script_builds(&self, script: BuildScript) {
        self.act(|state, _| state.build_script = script);
    }
    /// The next call of this point (`runtime.start`, `edge.apply`, `builder.observe`, `blobs.put`, …) fails with
    /// [`PortError::Unavailable`], before its effect or after it. Several are used up one by one.
    pub fn fail_next(&self, point: &str, when: When) {
        self.act(|state, _| state.faults.push((point.to_string(), when)));
    }
    /// The process of an instance ends now, by nobody's order.
    pub fn kill(&self, id: &Id, exit: Exit) {
        self.act(|state, now| {
            if let Some(life) = state.lives.get_mut(id) {
                life.kill(now, exit, &mut state.ground);
            }
        });
    }
    /// The machine is started again: no process survives, the edge serves what it last kept.
    pub fn reboot(&self) {
        self.act(|state, _| {
            state.lives.values_mut().for_each(Life::lose);
            state.ground.answering.clear();
            state.edge.restart();
        });
    }
    /// The edge does not answer, or does so again.
    pub fn edge_reachable(&self, reachable: bool) {
        self.act(|state, _| state.edge.unreachable = !reachable);
    }
    /// So many requests are in flight at an instance.
    pub fn in_flight(&self, instance: &Id, count: u64) {
        self.act(|state, _| {
            state.edge.counters.entry(instance.to_string()).or_default().in_flight = count;
        });
    }
    /// So many more requests come in by a route; where it wakes somebody and nobody answers, they wait.
    pub fn request(&self, route: &str, requests: u64) {
        self.act(|state, _| {
            let silent = |r: &&tow_record::Route| r.id == route && r.wakes && r.targets.is_empty();
            let waits = state.edge.set.routes.iter().any(|r| silent(&r));
            let counters = state.edge.routes.entry(route.to_string()).or_default();
            counters.requests += requests;
            counters.waiting += if waits { requests } else { 0 };
        });
    }
    /// A deployment answered so much more of what came in by a route.
    pub fn answered(&self, route: &str, deployment: i64, part: &RoutePart) {
        self.act(|state, _| {
            let counters = state.edge.routes.entry(route.to_string()).or_default();
            counters.requests += part.requests;
            counters.parts.entry(deployment).or_default().add(part);
        });
    }
    /// An instance takes so much of the machine.
    pub fn take(&self, id: &Id, usage: Usage) {
        self.act(|state, _| {
            if let Some(life) = state.lives.get_mut(id) {
                life.usage = Some(usage);
            }
        });
    }
    /// What an instance was asked so far.
    pub fn count(&self, instance: &Id, counters: TargetCounters) {
        self.act(|state, _| state.edge.counters.insert(instance.to_string(), counters));
    }

    /// How often an instance was really started, however often it was asked for. Removing it does not reset this.
    pub fn starts(&self, id: &Id) -> u32 {
        self.look(|state, _| state.starts.get(id).copied().unwrap_or(0))
    }
    /// How often a build was really started.
    pub fn build_starts(&self, id: &Id) -> u32 {
        self.look(|state, _| state.build_starts.get(id).copied().unwrap_or(0))
    }
    /// Every instance ever started, with how often.
    pub fn all_starts(&self) -> BTreeMap<Id, u32> {
        self.look(|state, _| state.starts.clone())
    }
    /// Every build ever started, with how often.
    pub fn all_build_starts(&self) -> BTreeMap<Id, u32> {
        self.look(|state, _| state.build_starts.clone())
    }
    /// Instances and builds that were started more than once, with how often: none, if all is well. Asked at every
    /// crossing, so it gathers nothing else.
    pub fn started_again(&self) -> Vec<(Id, u32)> {
        self.look(|state, _| {
            let all = state.starts.iter().chain(&state.build_starts);
            all.filter(|(_, count)| **count > 1).map(|(id, count)| (id.clone(), *count)).collect()
        })
    }
    /// All instances of which anything is left.
    pub fn instances(&self) -> Vec<ObservedInstance> {
        self.sight().0
    }
    /// What GET / says on a port of the machine, where somebody answers.
    pub fn reached(&self, port: u16) -> Option<String> {
        self.look(|state, _| {
            let specs: Vec<_> = state.lives.values().map(|life| life.spec.clone()).collect();
            state.ground.reached(&specs, port)
        })
    }
    /// What an instance was started with.
    pub fn spec(&self, id: &Id) -> Option<InstanceSpec> {
        self.look(|state, _| state.lives.get(id).map(|life| life.spec.clone()))
    }
    /// The table that is served.
    pub fn routes(&self) -> RouteSet {
        self.look(|state, _| state.edge.set.clone())
    }
    /// When something will next be different by itself: an instance ready or ended, a build done.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.sight().1
    }
    /// Something was done to this world, or by it; what time alone does is told by [`Self::next_change`].
    pub fn touched(&self) -> watch::Receiver<u64> {
        self.touched.subscribe()
    }

    /// What exists, to be compared: processes, routes, builds, blobs. Epochs and pids are left out.
    pub fn snapshot(&self) -> Value {
        self.look(|state, now| {
            let processes = state.lives.values().map(|life| {
                let seen = life.observed(now);
                json!({
                    "id": seen.id, "title": life.spec.title, "phase": seen.phase, "ready": seen.ready,
                    "exit": seen.exit, "env": life.spec.env, "ports": life.spec.ports,
                    "artifact": life.spec.artifact,
                })
            });
            let builds = state.builds.values().map(|build| {
                json!({ "id": build.id, "key": build.spec.key(), "running": build.running(now) })
            });
            json!({
                "processes": processes.collect::<Vec<_>>(),
                "routes": state.edge.set.routes,
                "ports": state.edge.ports,
                "builds": builds.collect::<Vec<_>>(),
                "blobs": state.blobs.keys().collect::<Vec<_>>(),
                "received": state.web.snapshot(),
            })
        })
    }

    pub(crate) fn sight(&self) -> Sight {
        self.look(|state, now| {
            let seen = state.lives.values().map(|life| life.observed(now)).collect();
            let lives = state.lives.values().filter_map(|life| life.next_change(now));
            let builds = state.builds.values().filter_map(|build| build.next_change(now));
            (seen, lives.chain(builds).min())
        })
    }

    fn lock(&self) -> MutexGuard<'_, WorldState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what is by now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut WorldState, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.lock();
        let WorldState { lives, ground, .. } = &mut *state;
        lives.values_mut().for_each(|life| life.settle(now, ground));
        look(&mut state, now)
    }

    /// Changes something, and tells whoever waits.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut WorldState, Timestamp) -> T) -> T {
        let done = self.look(act);
        self.touched.send_modify(|count| *count += 1);
        done
    }

    /// One call of a port at a point that may be told to fail.
    pub(crate) fn call<T>(
        &self,
        point: &'static str,
        effect: impl FnOnce(&mut WorldState, Timestamp) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let fault = self.fault(point);
        let broken = || Err(PortError::Unavailable(format!("{point}: failed on request")));
        if fault == Some(When::Before) {
            return broken();
        }
        let done = self.act(effect);
        if fault == Some(When::After) { broken() } else { done }
    }

    /// Like [`Self::call`], where nothing is changed and nobody need be told.
    pub(crate) fn ask<T>(
        &self,
        point: &'static str,
        look: impl FnOnce(&mut WorldState, Timestamp) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        match self.fault(point) {
            Some(_) => Err(PortError::Unavailable(format!("{point}: failed on request"))),
            None => self.look(look),
        }
    }

    pub(crate) fn fault(&self, point: &str) -> Option<When> {
        let mut state = self.lock();
        let at = state.faults.iter().position(|(named, _)| named == point)?;
        Some(state.faults.remove(at).1)
    }
}

/// An epoch is obeyed if none higher was seen, and remembered.
pub(crate) fn obey(seen: &mut i64, given: i64) -> Result<(), PortError> {
    if given < *seen {
        return Err(PortError::Fenced { given, seen: *seen });
    }
    *seen = given;
    Ok(())
}
