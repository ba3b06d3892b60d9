//! A route table made ready for look-ups. One value, swapped as one pointer; nothing in it changes but counters.

use crate::target::{Target, Targets};
use crate::wait::{Counts, Routes};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tow_record::{Route, RouteSet};

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// At a listener for all: its host decides.
    Main,
    /// At a port that belongs to routes.
    Port(u16),
}

/// A route and who answers for it.
pub(crate) struct Served {
    pub(crate) route: Route,
    pub(crate) targets: Vec<Arc<Target>>,
    /// What came in by it.
    pub(crate) counts: Arc<Counts>,
    /// Where the next look for the least busy target begins.
    turn: AtomicUsize,
}

/// By path prefix, longest first.
type Paths = Vec<(String, Arc<Served>)>;

/// A table that is or was served.
#[derive(Default)]
pub(crate) struct Table {
    /// As it was given.
    pub(crate) set: RouteSet,
    /// By route id.
    pub(crate) ports: BTreeMap<String, u16>,
    hosts: BTreeMap<String, Paths>,
    by_port: BTreeMap<u16, Paths>,
    all: Vec<Arc<Target>>,
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
    /// Makes a table of a set. `ports`: by route id. An address that is none is an error for people.
    pub(crate) fn new(
        set: &RouteSet,
        ports: BTreeMap<String, u16>,
        targets: &Targets,
        routes: &Routes,
    ) -> Result<Self, String> {
        let mut table = Self { set: set.clone(), ports, ..Self::default() };
        for route in &set.routes {
            let mut list = Vec::new();
            for target in &route.targets {
                let address = address(&route.id, &target.address)?;
                list.push(targets.get(&target.instance, address));
            }
            table.all.extend(list.iter().cloned());
            let path = if route.path.is_empty() { "/".to_string() } else { route.path.clone() };
            let served = Arc::new(Served {
                route: route.clone(),
                targets: list,
                counts: routes.get(&route.id),
                turn: AtomicUsize::new(0),
            });
            for host in &route.hosts {
                let paths = table.hosts.entry(host.to_ascii_lowercase()).or_default();
                paths.push((path.clone(), served.clone()));
            }
            if let Some(port) = table.ports.get(&route.id) {
                table.by_port.entry(*port).or_default().push((path, served));
            }
        }
        for paths in table.hosts.values_mut().chain(table.by_port.values_mut()) {
            // Stable: of two equal paths the first in the set is served.
            paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        Ok(table)
    }

    /// Checks a set without making anything of it.
    pub(crate) fn check(set: &RouteSet) -> Result<(), String> {
        for route in &set.routes {
            for target in &route.targets {
                address(&route.id, &target.address)?;
            }
        }
        Ok(())
    }

    /// `host` in lower case without port; empty where there was none.
    pub(crate) fn find(&self, entrance: Entrance, host: &str, path: &str) -> Found<'_> {
        let paths = match entrance {
            Entrance::Main => self.hosts.get(host),
            Entrance::Port(port) => self.by_port.get(&port),
        };
        let Some(paths) = paths else { return Found::NoHost };
        paths
            .iter()
            .find(|(prefix, _)| begins(path, prefix))
            .map_or(Found::NoPath, |(_, served)| Found::Route(served))
    }

    /// All targets of all routes.
    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.all
    }
}

impl Served {
    /// The target with the fewest requests in flight that was not tried yet; among equals they take turns. One that
    /// refused a connection a moment ago comes last.
    pub(crate) fn pick(&self, tried: &[Arc<Target>]) -> Option<&Arc<Target>> {
        let count = self.targets.len();
        let first = if count > 1 { self.turn.fetch_add(1, Relaxed) } else { 0 };
        (0..count)
            .map(|offset| &self.targets[first.wrapping_add(offset) % count])
            .filter(|target| !tried.iter().any(|other| Arc::ptr_eq(other, target)))
            .min_by_key(|target| (target.shunned(), target.in_flight()))
    }
}

fn address(route: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("route {route}: {text:?} is not an address: expected IP:PORT, as in 127.0.0.1:8080")
    })
}

/// A prefix covers whole segments: `/api` covers `/api` and `/api/x`, not `/apis`.
fn begins(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_record::{Mode, RouteRules, RouteTarget, State};

    fn route(id: &str, hosts: &[&str], path: &str, instances: &[(&str, u16)]) -> Route {
        Route {
            id: id.into(),
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
            path: path.into(),
            port: 0,
            component: "c".into(),
            environment: "e".into(),
            targets: instances
                .iter()
                .map(|(instance, port)| RouteTarget {
                    instance: (*instance).into(),
                    address: format!("127.0.0.1:{port}"),
                    release: 1,
                    deployment: 1,
                })
                .collect(),
            state: State::Live,
            reason: String::new(),
            wakes: false,
            split: None,
            mode: Mode::Serving,
            rules: RouteRules::default(),
        }
    }

    fn found(table: &Table, entrance: Entrance, host: &str, path: &str) -> String {
        match table.find(entrance, host, path) {
            Found::Route(served) => served.route.id.clone(),
            Found::NoPath => "no path".into(),
            Found::NoHost => "no host".into(),
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let set = RouteSet {
            epoch: 1,
            revision: 1,
            routes: vec![
                route("all", &["A.localhost"], "/", &[]),
                route("api", &["a.localhost"], "/api", &[]),
                route("deep", &["a.localhost"], "/api/v1/", &[]),
                route("only", &["b.localhost"], "/x", &[]),
            ],
        };
        let ports = BTreeMap::from([("api".to_string(), 5)]);
        let table = Table::new(&set, ports, &Targets::default(), &Routes::default()).unwrap();
        for (host, path, expected) in [
            ("a.localhost", "/", "all"),
            ("a.localhost", "/apis", "all"),
            ("a.localhost", "/api", "api"),
            ("a.localhost", "/api/v1", "api"),
            ("a.localhost", "/api/v1/x", "deep"),
            ("b.localhost", "/", "no path"),
            ("c.localhost", "/", "no host"),
            ("", "/", "no host"),
        ] {
            assert_eq!(found(&table, Entrance::Main, host, path), expected, "{host}{path}");
        }
        assert_eq!(found(&table, Entrance::Port(5), "anything", "/api/x"), "api");
        assert_eq!(found(&table, Entrance::Port(5), "a.localhost", "/"), "no path");
        assert_eq!(found(&table, Entrance::Port(6), "a.localhost", "/"), "no host");
    }

    #[test]
    fn the_least_busy_target_is_picked_and_equals_take_turns() {
        let targets = Targets::default();
        let set = RouteSet {
            epoch: 1,
            revision: 1,
            routes: vec![route("all", &["a"], "/", &[("one", 1), ("two", 2), ("three", 3)])],
        };
        let table = Table::new(&set, BTreeMap::new(), &targets, &Routes::default()).unwrap();
        let Found::Route(served) = table.find(Entrance::Main, "a", "/") else { panic!() };
        let mut order: Vec<String> =
            (0..3).map(|_| served.pick(&[]).unwrap().instance.clone()).collect();
        order.sort();
        assert_eq!(order, ["one", "three", "two"]);
        let busy: Vec<_> = ["one", "three"]
            .map(|name| served.targets.iter().find(|t| t.instance == name).unwrap().enter())
            .into();
        for _ in 0..5 {
            assert_eq!(served.pick(&[]).unwrap().instance, "two");
        }
        served.targets.iter().find(|t| t.instance == "two").unwrap().refused();
        assert_ne!(served.pick(&[]).unwrap().instance, "two");
        drop(busy);
        assert!(served.pick(&served.targets).is_none());
    }

    #[test]
    fn an_address_that_is_none_is_named_with_its_route() {
        let mut bad = route("r", &["a"], "/", &[("one", 1)]);
        bad.targets[0].address = "localhost".into();
        let set = RouteSet { epoch: 1, revision: 1, routes: vec![bad] };
        let error = Table::check(&set).unwrap_err();
        assert!(error.contains("route r") && error.contains("\"localhost\""), "{error}");
    }

    #[test]
    fn a_retired_target_takes_nobody_and_its_zero_is_final() {
        let targets = Targets::default();
        let target = targets.get("i", "127.0.0.1:1".parse().unwrap());
        let guard = target.enter().unwrap();
        targets.retire_others(|_| false);
        assert!(target.enter().is_none());
        assert_eq!(targets.counters()["i"].in_flight, 1);
        targets.sweep();
        assert_eq!(targets.counters()["i"].in_flight, 1);
        drop(guard);
        assert_eq!(targets.counters()["i"].in_flight, 0);
        targets.sweep();
        assert!(targets.counters().is_empty());
    }
}
