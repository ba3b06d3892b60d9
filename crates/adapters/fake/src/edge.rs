//! The port `edge`: a table that nobody asks.

use crate::World;
use crate::world::obey;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_ports::{Edge, PortError};
use tow_record::{ObservedEdge, RouteAck, RouteSet, TargetCounters};

/// Where ports that the edge picks begin.
const FIRST_PORT: u16 = 30_000;

#[derive(Clone, Default)]
pub(crate) struct EdgeState {
    pub(crate) set: RouteSet,
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) counters: BTreeMap<String, TargetCounters>,
    pub(crate) unreachable: bool,
    epoch: i64,
    boots: u32,
}

impl EdgeState {
    /// Counters start over; the table was kept.
    pub(crate) fn restart(&mut self) {
        self.counters.clear();
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
        Ok(RouteAck { revision: set.revision, ports: self.ports.clone() })
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
            ports: self.ports.clone(),
            boot: format!("boot-{}", self.boots),
        }
    }
}

/// Serves nothing, and says it does.
#[derive(Debug, Clone)]
pub struct FakeEdge {
    world: Arc<World>,
}

impl FakeEdge {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
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

    async fn observe(&self) -> Result<ObservedEdge, PortError> {
        self.world.ask("edge.observe", |state, _| Ok(state.edge.observed()))
    }
}
