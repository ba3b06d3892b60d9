//! A route table made ready for look-ups. One value, swapped as one pointer; nothing in it changes but counters. The
//! next one is made of it and of what changes, and shares all that does not.

use crate::change::Change;
use crate::choice::Choice;
use crate::counts::{Counts, Part};
use crate::paths::Paths;
use crate::rules::Rules;
use crate::target::{Target, Targets};
use crate::wait::Routes;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tow_names::Network;
use tow_record::{Mode, Route, RouteSet};

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// At a listener for all: its host decides.
    Main,
    /// At a port that belongs to routes.
    Port(u16),
}

/// An instance as one of those that answer for a route.
pub(crate) struct Goal {
    pub(crate) target: Arc<Target>,
    pub(crate) release: i64,
    pub(crate) deployment: i64,
    /// What its deployment does of the route's requests.
    pub(crate) part: Arc<Part>,
}

/// A route and who answers for it.
pub(crate) struct Served {
    pub(crate) route: Route,
    pub(crate) goals: Vec<Arc<Goal>>,
    pub(crate) rules: Rules,
    /// What came in by it.
    pub(crate) counts: Arc<Counts>,
    /// Networks that are served during maintenance.
    allow: Vec<Network>,
    /// Where the next look for the least busy target begins.
    turn: AtomicUsize,
}

/// A table that is or was served.
#[derive(Default, Clone)]
pub(crate) struct Table {
    pub(crate) epoch: i64,
    pub(crate) revision: i64,
    /// By route id: where it is listened.
    pub(crate) ports: Arc<BTreeMap<String, u16>>,
    /// By id.
    routes: BTreeMap<Arc<str>, Arc<Served>>,
    hosts: HashMap<Arc<str>, Arc<Paths>>,
    /// By what stands behind `*.`.
    wild: HashMap<Arc<str>, Arc<Paths>>,
    by_port: HashMap<u16, Arc<Paths>>,
}

/// What a look-up came to.
pub(crate) enum Found<'a> {
    Route(&'a Arc<Served>),
    /// The host is known, the path is not.
    NoPath,
    /// Nothing is known of the host or port.
    NoHost,
}

impl Table {
    /// What is served after a change. `ports`: by route id, of all. What does not fit is an error for people.
    pub(crate) fn with(
        &self,
        change: &Change,
        ports: BTreeMap<String, u16>,
        targets: &Targets,
        routes: &Routes,
    ) -> Result<Self, String> {
        let mut next = self.clone();
        (next.epoch, next.revision) = (change.epoch, change.revision);
        let mut hosts: HashMap<Arc<str>, Vec<Arc<Served>>> = HashMap::new();
        let mut wild: HashMap<Arc<str>, Vec<Arc<Served>>> = HashMap::new();
        let mut by_port: HashMap<u16, Vec<Arc<Served>>> = HashMap::new();
        let put = change.put.iter().map(|route| route.id.as_str());
        let gone: HashSet<&str> = put.chain(change.drop.iter().map(String::as_str)).collect();
        for id in &gone {
            // Wherever it was, it is looked at again.
            if let Some(old) = next.routes.remove(*id) {
                for host in &old.route.hosts {
                    let (map, key) = place(host, &mut hosts, &mut wild);
                    map.entry(key).or_default();
                }
            }
            if let Some(port) = self.ports.get(*id) {
                by_port.entry(*port).or_default();
            }
        }
        for route in &change.put {
            let served = Arc::new(Served::new(route, targets, routes)?);
            for host in &route.hosts {
                let (map, key) = place(host, &mut hosts, &mut wild);
                map.entry(key).or_default().push(served.clone());
            }
            if let Some(port) = ports.get(&route.id) {
                by_port.entry(*port).or_default().push(served.clone());
            }
            next.routes.insert(Arc::from(route.id.as_str()), served);
        }
        patch(&mut next.hosts, hosts, &gone);
        patch(&mut next.wild, wild, &gone);
        patch(&mut next.by_port, by_port, &gone);
        if *self.ports != ports {
            next.ports = Arc::new(ports);
        }
        Ok(next)
    }

    /// Checks a change without making anything of it.
    pub(crate) fn check(change: &Change) -> Result<(), String> {
        let mut ids = HashSet::new();
        for route in &change.put {
            if !ids.insert(route.id.as_str()) {
                return Err(format!("route {}: there are two of this id", route.id));
            }
            for target in &route.targets {
                address(&route.id, &target.address)?;
            }
            networks(route)?;
        }
        Ok(())
    }

    /// As it would be given as a whole.
    pub(crate) fn set(&self) -> RouteSet {
        let routes = self.routes.values().map(|served| served.route.clone()).collect();
        RouteSet { epoch: self.epoch, revision: self.revision, routes }
    }

    /// The route of this id.
    pub(crate) fn route(&self, id: &str) -> Option<&Route> {
        self.routes.get(id).map(|served| &served.route)
    }

    /// All routes, in the order of their ids.
    pub(crate) fn routes(&self) -> impl ExactSizeIterator<Item = &Route> {
        self.routes.values().map(|served| &served.route)
    }

    /// `host` in lower case without port; empty where there was none. A host by its whole name comes before `*.` and
    /// the longest rest of it.
    pub(crate) fn find(&self, entrance: Entrance, host: &str, path: &str) -> Found<'_> {
        let paths = match entrance {
            Entrance::Main => self.hosts.get(host).or_else(|| self.wildcard(host)),
            Entrance::Port(port) => self.by_port.get(&port),
        };
        let Some(paths) = paths else { return Found::NoHost };
        paths.find(path).map_or(Found::NoPath, Found::Route)
    }

    fn wildcard(&self, host: &str) -> Option<&Arc<Paths>> {
        if self.wild.is_empty() {
            return None;
        }
        let mut rest = host;
        while let Some((first, more)) = rest.split_once('.') {
            if let (false, Some(paths)) = (first.is_empty(), self.wild.get(more)) {
                return Some(paths);
            }
            rest = more;
        }
        None
    }

    /// The targets of all routes.
    pub(crate) fn targets(&self) -> HashSet<*const Target> {
        let goals = self.routes.values().flat_map(|served| &served.goals);
        goals.map(|goal| Arc::as_ptr(&goal.target)).collect()
    }
}

type ByHost = HashMap<Arc<str>, Vec<Arc<Served>>>;

/// Among which hosts this one is, and by which name.
fn place<'a>(
    host: &str,
    hosts: &'a mut ByHost,
    wild: &'a mut ByHost,
) -> (&'a mut ByHost, Arc<str>) {
    let host = host.to_ascii_lowercase();
    match host.strip_prefix("*.") {
        Some(rest) => (wild, Arc::from(rest)),
        None => (hosts, Arc::from(host)),
    }
}

/// Makes the paths anew of all that changes named.
fn patch<K: Eq + Hash>(
    paths: &mut HashMap<K, Arc<Paths>>,
    changes: HashMap<K, Vec<Arc<Served>>>,
    gone: &HashSet<&str>,
) {
    let none = Paths::default();
    for (key, put) in changes {
        let next = paths.get(&key).map_or(&none, AsRef::as_ref).with(put, gone);
        match next {
            Some(next) => drop(paths.insert(key, Arc::new(next))),
            None => drop(paths.remove(&key)),
        }
    }
}

impl Served {
    fn new(route: &Route, targets: &Targets, routes: &Routes) -> Result<Self, String> {
        let counts = routes.get(&route.id);
        let mut goals = Vec::with_capacity(route.targets.len());
        for target in &route.targets {
            let address = address(&route.id, &target.address)?;
            goals.push(Arc::new(Goal {
                target: targets.get(&target.instance, address),
                release: target.release,
                deployment: target.deployment,
                part: counts.part(target.deployment),
            }));
        }
        Ok(Self {
            route: route.clone(),
            goals,
            rules: Rules::of(&route.rules),
            counts,
            allow: networks(route)?,
            turn: AtomicUsize::new(0),
        })
    }

    /// Whoever is to be asked of those that were not tried yet: on the chosen side while somebody is left there; with the
    /// fewest requests in flight; among equals they take turns. One that failed a moment ago comes last.
    pub(crate) fn pick(
        &self,
        tried: &[Arc<Target>],
        choice: Option<&Choice>,
    ) -> Option<&Arc<Goal>> {
        let count = self.goals.len();
        let first = if count > 1 { self.turn.fetch_add(1, Relaxed) } else { 0 };
        let aside = |goal: &Goal| {
            choice.is_some_and(|choice| (goal.deployment == choice.deployment) != choice.tried)
        };
        (0..count)
            .map(|offset| &self.goals[first.wrapping_add(offset) % count])
            .filter(|goal| !tried.iter().any(|other| Arc::ptr_eq(other, &goal.target)))
            .min_by_key(|goal| (aside(goal), goal.target.shunned(), goal.target.in_flight()))
    }

    /// Is this client served during maintenance?
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(client))
    }
}

fn networks(route: &Route) -> Result<Vec<Network>, String> {
    let Mode::Maintenance { allow, .. } = &route.mode else { return Ok(Vec::new()) };
    let networks = allow.iter().map(|text| text.parse::<Network>());
    networks.collect::<Result<_, _>>().map_err(|error| format!("route {}: {error}", route.id))
}

fn address(route: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("route {route}: {text:?} is not an address: expected IP:PORT, as in 127.0.0.1:8080")
    })
}

#[cfg(test)]
mod tests;
