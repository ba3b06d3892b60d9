//! The port `edge`: a table that nobody asks.

use crate::World;
use crate::world::obey;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tow_ports::{Edge, PortError, RequestQuery, Requests};
use tow_record::{CertificateSet, ObservedEdge, RouteAck, RouteCounters, RouteSet, TargetCounters};

/// Where ports that the edge picks begin.
const FIRST_PORT: u16 = 30_000;

#[derive(Clone, Default)]
pub(crate) struct EdgeState {
    pub(crate) set: RouteSet,
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) counters: BTreeMap<String, TargetCounters>,
    pub(crate) routes: BTreeMap<String, RouteCounters>,
    pub(crate) unreachable: bool,
    certificates: String,
    epoch: i64,
    boots: u32,
}

impl EdgeState {
    /// Counters start over; the table was kept.
    pub(crate) fn restart(&mut self) {
        self.counters.clear();
        self.routes.clear();
        self.boots += 1;
    }

    fn apply(&mut self, set: &RouteSet) -> Result<RouteAck, PortError> {
        let newer_epoch = set.epoch > self.epoch;
        obey(&mut self.epoch, set.epoch)?;
        if !newer_epoch && set.revision < self.set.revision {
            return Err(PortError::Refused(format!(
                "revision {} is behind {}",
                set.revision, self.set.revision
            )));
        }
        if !newer_epoch && set.revision == self.set.revision && *set != self.set {
            return Err(PortError::Refused(format!(
                "revision {} is served with another table",
                set.revision
            )));
        }
        let mut ports = BTreeMap::new();
        for route in set.routes.iter().filter(|route| route.port != 0) {
            ports.insert(route.id.clone(), route.port);
        }
        // A port once picked stays with its route.
        for route in set.routes.iter().filter(|route| route.port == 0) {
            let kept = self.ports.get(&route.id).copied();
            let free = |port: &u16| !ports.values().any(|taken| taken == port);
            let others: Vec<u16> = self.ports.values().copied().collect();
            let fresh =
                || (FIRST_PORT..=u16::MAX).find(|port| free(port) && !others.contains(port));
            if let Some(port) = kept.filter(free).or_else(fresh) {
                ports.insert(route.id.clone(), port);
            }
        }
        self.ports = ports;
        self.set = set.clone();
        let left: BTreeMap<String, u64> =
            self.counted().into_iter().map(|(id, counters)| (id, counters.waiting)).collect();
        for (id, counters) in &mut self.routes {
            counters.waiting = left.get(id).copied().unwrap_or(0);
        }
        Ok(RouteAck { revision: set.revision, ports: self.ports.clone() })
    }

    /// Whoever waits at a route that got an answer waits no more.
    fn counted(&self) -> BTreeMap<String, RouteCounters> {
        let counted = self.set.routes.iter().map(|route| {
            let mut counters = self.routes.get(&route.id).cloned().unwrap_or_default();
            if !route.wakes || !route.targets.is_empty() {
                counters.waiting = 0;
            }
            (route.id.clone(), counters)
        });
        counted.collect()
    }

    /// The routes at which somebody waits.
    fn called(&self) -> Vec<String> {
        let counted = self.counted().into_iter();
        counted.filter(|(_, counters)| counters.waiting > 0).map(|(id, _)| id).collect()
    }

    fn observed(&self) -> ObservedEdge {
        if self.unreachable {
            return ObservedEdge::default();
        }
        let routed = self.set.routes.iter().flat_map(|route| &route.targets);
        let mut targets: BTreeMap<String, TargetCounters> =
            routed.map(|target| (target.instance.clone(), TargetCounters::default())).collect();
        for (instance, counters) in &self.counters {
            // Who is routed to no more is told of until its last request is done.
            if targets.contains_key(instance) || counters.in_flight > 0 {
                targets.insert(instance.clone(), *counters);
            }
        }
        ObservedEdge {
            reachable: true,
            epoch: self.epoch,
            revision: self.set.revision,
            targets,
            routes: self.counted(),
            ports: self.ports.clone(),
            boot: format!("boot-{}", self.boots),
            certificates: self.certificates.clone(),
        }
    }
}

/// Serves nothing, and says it does.
#[derive(Debug, Clone)]
pub struct FakeEdge {
    world: Arc<World>,
    /// The routes at which somebody waited when it was last told.
    called: Arc<Mutex<Vec<String>>>,
}

impl FakeEdge {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, called: Arc::default() }
    }
}

#[async_trait]
impl Edge for FakeEdge {
    async fn apply(&self, set: &RouteSet) -> Result<RouteAck, PortError> {
        self.world.call("edge.apply", |state, _| {
            if state.edge.unreachable {
                return Err(PortError::Unavailable("the gateway does not answer".into()));
            }
            state.edge.apply(set)
        })
    }

    async fn certify(&self, set: &CertificateSet) -> Result<(), PortError> {
        self.world.call("edge.certify", |state, _| {
            if state.edge.unreachable {
                return Err(PortError::Unavailable("the gateway does not answer".into()));
            }
            obey(&mut state.edge.epoch, set.epoch)?;
            state.edge.certificates.clone_from(&set.version);
            Ok(())
        })
    }

    async fn observe(&self) -> Result<ObservedEdge, PortError> {
        self.world.ask("edge.observe", |state, _| Ok(state.edge.observed()))
    }

    async fn requests(&self, _: RequestQuery) -> Result<Requests, PortError> {
        // Nobody asks it anything.
        Ok(Requests::default())
    }

    async fn changed(&self) {
        let mut touched = self.world.touched.subscribe();
        loop {
            let now = self.world.look(|state, _| state.edge.called());
            {
                let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
                let news = now.iter().any(|route| !called.contains(route));
                *called = now;
                if news {
                    return;
                }
            }
            if touched.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
