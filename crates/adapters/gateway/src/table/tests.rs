//! Look-ups in tables, and tables made of others.

use super::*;
use tow_record::{RouteRules, RouteTarget, State};

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

#[derive(Default)]
struct World {
    table: Table,
    targets: Targets,
    routes: Routes,
}

impl World {
    fn of(routes: Vec<Route>) -> Self {
        let mut world = Self::default();
        world.change(routes, &[]);
        world
    }

    fn change(&mut self, put: Vec<Route>, gone: &[&str]) {
        let ports = (*self.table.ports).clone();
        self.change_with(put, gone, ports);
    }

    fn change_with(&mut self, put: Vec<Route>, gone: &[&str], ports: BTreeMap<String, u16>) {
        let gone = gone.iter().map(|id| (*id).into()).collect();
        let revision = self.table.revision + 1;
        let change = Change { base: (0, 0), epoch: 1, revision, put, drop: gone };
        self.table = self.table.with(&change, ports, &self.targets, &self.routes).unwrap();
    }

    fn found(&self, entrance: Entrance, host: &str, path: &str) -> String {
        match self.table.find(entrance, host, path) {
            Found::Route(served) => served.route.id.clone(),
            Found::NoPath => "no path".into(),
            Found::NoHost => "no host".into(),
        }
    }

    fn served(&self, host: &str) -> &Served {
        let Found::Route(served) = self.table.find(Entrance::Main, host, "/") else { panic!() };
        served
    }
}

#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    let mut world = World::default();
    let routes = vec![
        route("all", &["A.localhost"], "/", &[]),
        route("api", &["a.localhost"], "/api", &[]),
        route("deep", &["a.localhost"], "/api/v1/", &[]),
        route("other", &["a.localhost"], "/api-docs", &[]),
        route("only", &["b.localhost"], "/x", &[]),
    ];
    world.change_with(routes, &[], BTreeMap::from([("api".to_string(), 5)]));
    for (host, path, expected) in [
        ("a.localhost", "/", "all"),
        ("a.localhost", "/apis", "all"),
        ("a.localhost", "/api", "api"),
        ("a.localhost", "/api-", "all"),
        ("a.localhost", "/api-docs/x", "other"),
        ("a.localhost", "/api/v1", "api"),
        ("a.localhost", "/api/v1/x", "deep"),
        ("a.localhost", "/api/v0", "api"),
        ("b.localhost", "/", "no path"),
        ("c.localhost", "/", "no host"),
        ("", "/", "no host"),
    ] {
        assert_eq!(world.found(Entrance::Main, host, path), expected, "{host}{path}");
    }
    assert_eq!(world.found(Entrance::Port(5), "anything", "/api/x"), "api");
    assert_eq!(world.found(Entrance::Port(5), "a.localhost", "/"), "no path");
    assert_eq!(world.found(Entrance::Port(6), "a.localhost", "/"), "no host");
}

/// Against the plainest way to say it.
#[test]
fn a_binary_search_finds_what_looking_at_all_finds() {
    let words = ["a", "ab", "abc", "b", "a-b", ""];
    let mut prefixes = Vec::new();
    for one in words {
        prefixes.push(format!("/{one}"));
        for two in words {
            prefixes.push(format!("/{one}/{two}"));
        }
    }
    for skip in 0..7 {
        let some: Vec<&String> =
            prefixes.iter().enumerate().filter(|(n, _)| n % 7 >= skip).map(|(_, p)| p).collect();
        let routes = some.iter().map(|path| route(path, &["h"], path, &[])).collect();
        let world = World::of(routes);
        for asked in &prefixes {
            for end in ["", "/", "x", "/x/y"] {
                let path = format!("{asked}{end}");
                let plain = some
                    .iter()
                    .filter(|prefix| {
                        path.strip_prefix(prefix.as_str()).is_some_and(|rest| {
                            rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/')
                        })
                    })
                    .max_by_key(|prefix| prefix.len())
                    .map_or("no path", |prefix| prefix.as_str());
                assert_eq!(world.found(Entrance::Main, "h", &path), plain, "{path}");
            }
        }
    }
}

#[test]
fn whole_names_come_before_wildcards_and_longer_ones_before_shorter() {
    let world = World::of(vec![
        route("any", &["*.example.test"], "/", &[]),
        route("deep", &["*.a.example.test"], "/", &[]),
        route("one", &["b.example.test"], "/only", &[]),
    ]);
    for (host, expected) in [
        ("x.example.test", "any"),
        ("x.y.example.test", "any"),
        ("a.example.test", "any"),
        ("x.a.example.test", "deep"),
        ("b.example.test", "no path"),
        ("example.test", "no host"),
        (".example.test", "no host"),
        ("example.testx", "no host"),
    ] {
        assert_eq!(world.found(Entrance::Main, host, "/"), expected, "{host}");
    }
}

#[test]
fn a_change_changes_what_it_names_and_nothing_else() {
    let mut world = World::of(vec![
        route("a", &["h"], "/", &[("one", 1)]),
        route("b", &["h"], "/b", &[]),
        route("twin", &["h"], "/b", &[]),
        route("c", &["i", "j"], "/", &[]),
    ]);
    assert_eq!(world.found(Entrance::Main, "h", "/b"), "b", "of equals the least id");
    let before = world.served("h").counts.clone();
    world.change(vec![route("c", &["j"], "/", &[("two", 2)])], &["b"]);
    assert_eq!(world.found(Entrance::Main, "h", "/b"), "twin");
    assert_eq!(world.found(Entrance::Main, "i", "/"), "no host");
    assert_eq!(world.served("j").goals.len(), 1);
    assert!(Arc::ptr_eq(&before, &world.served("h").counts));
    let set = world.table.set();
    let ids: Vec<&str> = set.routes.iter().map(|route| route.id.as_str()).collect();
    assert_eq!((set.revision, ids), (2, vec!["a", "c", "twin"]));
    world.change(vec![], &["a", "c", "twin"]);
    assert_eq!(world.found(Entrance::Main, "h", "/"), "no host");
}

#[test]
fn the_least_busy_target_is_picked_and_equals_take_turns() {
    let world = World::of(vec![route("all", &["a"], "/", &[("one", 1), ("two", 2), ("three", 3)])]);
    let served = world.served("a");
    let pick = || served.pick(&[], None).unwrap().target.instance.clone();
    let target = |name: &str| {
        served.goals.iter().find(|goal| goal.target.instance == name).unwrap().target.clone()
    };
    let mut order: Vec<String> = (0..3).map(|_| pick()).collect();
    order.sort();
    assert_eq!(order, ["one", "three", "two"]);
    let busy: Vec<_> = ["one", "three"].map(|name| target(name).enter()).into();
    for _ in 0..5 {
        assert_eq!(pick(), "two");
    }
    target("two").refused();
    assert_ne!(pick(), "two");
    drop(busy);
    let all: Vec<_> = served.goals.iter().map(|goal| goal.target.clone()).collect();
    assert!(served.pick(&all, None).is_none());
}

#[test]
fn the_chosen_side_is_asked_while_somebody_is_left_there() {
    let mut split = route("r", &["a"], "/", &[("old", 1), ("new", 2)]);
    split.targets[1].deployment = 2;
    let world = World::of(vec![split]);
    let served = world.served("a");
    for (tried, expected) in [(true, ["new", "old"]), (false, ["old", "new"])] {
        let choice = Choice { deployment: 2, tried, keep: None };
        for _ in 0..3 {
            let first = served.pick(&[], Some(&choice)).unwrap();
            assert_eq!(first.target.instance, expected[0]);
            let second = served.pick(std::slice::from_ref(&first.target), Some(&choice)).unwrap();
            assert_eq!(second.target.instance, expected[1]);
        }
    }
}

#[test]
fn what_can_not_be_served_is_named_with_its_route() {
    let check = |put: Vec<Route>| {
        Table::check(&Change { base: (0, 0), epoch: 1, revision: 1, put, drop: vec![] })
    };
    let mut bad = route("r", &["a"], "/", &[("one", 1)]);
    bad.targets[0].address = "localhost".into();
    let error = check(vec![bad]).unwrap_err();
    assert!(error.contains("route r") && error.contains("\"localhost\""), "{error}");
    let mut bad = route("r", &["a"], "/", &[]);
    bad.mode = Mode::Maintenance {
        retry_after: tow_names::Duration::from_secs(1),
        allow: vec!["10.0.0.0/99".into()],
        message: String::new(),
    };
    let error = check(vec![bad]).unwrap_err();
    assert!(error.contains("route r") && error.contains("10.0.0.0/99"), "{error}");
    let twice = || route("r", &["a"], "/", &[]);
    assert!(check(vec![twice(), twice()]).is_err());
    assert_eq!(check(vec![twice()]), Ok(()));
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
