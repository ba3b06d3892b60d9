//! What every [`Edge`] holds to, whatever it stands on. Traffic itself is no part of it: only some edges have any.

use tow_ports::{Edge, PortError};
use tow_record::{Mode, ObservedEdge, Route, RouteAck, RouteRules, RouteSet, RouteTarget, State};

/// Runs the whole suite on an edge that was never given a table. Panics where something does not hold.
pub async fn edge(edge: &dyn Edge) {
    a_table_is_served_and_told(edge).await;
    the_same_again_is_acknowledged_again(edge).await;
    what_is_behind_is_refused_and_changes_nothing(edge).await;
    a_higher_epoch_starts_its_own_count(edge).await;
    a_route_keeps_its_port_while_it_stays(edge).await;
    an_empty_table_is_a_table(edge).await;
}

fn route(id: &str, instances: &[&str]) -> Route {
    Route {
        id: id.into(),
        hosts: vec![format!("{id}.localhost")],
        path: "/".into(),
        port: 0,
        component: "default/web".into(),
        environment: "development".into(),
        targets: instances
            .iter()
            .map(|instance| RouteTarget {
                instance: (*instance).into(),
                // Never asked: a port of this machine on which nobody needs to listen.
                address: "127.0.0.1:9".into(),
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

fn set(epoch: i64, revision: i64, routes: Vec<Route>) -> RouteSet {
    RouteSet { epoch, revision, routes }
}

async fn applied(edge: &dyn Edge, set: &RouteSet) -> RouteAck {
    let ack = edge.apply(set).await.expect("a later table is taken");
    assert_eq!(ack.revision, set.revision);
    let seen = seen(edge).await;
    assert_eq!((seen.epoch, seen.revision), (set.epoch, set.revision));
    assert_eq!(seen.ports, ack.ports, "what is told is what was acknowledged");
    ack
}

async fn seen(edge: &dyn Edge) -> ObservedEdge {
    let seen = edge.observe().await.expect("observing is never an error");
    assert!(seen.reachable);
    seen
}

async fn a_table_is_served_and_told(edge: &dyn Edge) {
    let before = seen(edge).await;
    assert!(!before.boot.is_empty(), "each start has its own mark");
    assert!(before.ports.is_empty() && before.targets.is_empty());
    let ack = applied(edge, &set(1, 1, vec![route("a", &["i-1"]), route("b", &[])])).await;
    assert!(ack.ports["a"] != 0 && ack.ports["b"] != 0, "a port is picked where 0 was asked");
    assert_ne!(ack.ports["a"], ack.ports["b"]);
    let after = seen(edge).await;
    assert_eq!(after.boot, before.boot);
    assert!(after.targets.values().all(|counters| counters.in_flight == 0));
}

async fn the_same_again_is_acknowledged_again(edge: &dyn Edge) {
    let same = set(1, 1, vec![route("a", &["i-1"]), route("b", &[])]);
    let before = seen(edge).await;
    let ack = applied(edge, &same).await;
    assert_eq!(ack.ports, before.ports);
    // The same number for another table is a mistake somewhere: acknowledged, it would pass for a switch.
    let other = edge.apply(&set(1, 1, vec![route("a", &["i-2"]), route("b", &[])])).await;
    assert!(matches!(other, Err(PortError::Refused(_))), "{other:?}");
    assert_eq!(seen(edge).await, before);
}

async fn what_is_behind_is_refused_and_changes_nothing(edge: &dyn Edge) {
    applied(edge, &set(4, 7, vec![route("a", &["i-1"])])).await;
    let before = seen(edge).await;
    let lower_revision = edge.apply(&set(4, 6, vec![])).await;
    assert!(matches!(lower_revision, Err(PortError::Refused(_))), "{lower_revision:?}");
    for revision in [6, 7, 8] {
        let lower_epoch = edge.apply(&set(3, revision, vec![])).await;
        assert_eq!(lower_epoch, Err(PortError::Fenced { given: 3, seen: 4 }));
    }
    assert_eq!(seen(edge).await, before);
}

async fn a_higher_epoch_starts_its_own_count(edge: &dyn Edge) {
    applied(edge, &set(5, 1, vec![route("a", &["i-1"])])).await;
}

async fn a_route_keeps_its_port_while_it_stays(edge: &dyn Edge) {
    let first = applied(edge, &set(5, 2, vec![route("a", &["i-1"]), route("b", &["i-1"])])).await;
    let other = vec![route("c", &[]), route("a", &["i-2"])];
    let second = applied(edge, &set(6, 1, other)).await;
    assert_eq!(second.ports["a"], first.ports["a"]);
    assert_ne!(second.ports["c"], second.ports["a"]);
    assert!(!second.ports.contains_key("b"), "a route that left has no port");
}

async fn an_empty_table_is_a_table(edge: &dyn Edge) {
    let ack = applied(edge, &set(6, 2, vec![])).await;
    assert!(ack.ports.is_empty());
    assert!(seen(edge).await.targets.values().all(|counters| counters.in_flight == 0));
}
