//! Large tables: what changes is sent and kept alone, and what was kept is what is served again.

use crate::support::{Gate, Instance, route};
use std::time::Instant;
use tow_gateway::EdgeClient;
use tow_ports::Edge;
use tow_record::{Route, RouteSet};

const ROUTES: usize = 300;

fn many(instance: &Instance) -> Vec<Route> {
    let each = |number: usize| {
        let mut each =
            route(&format!("r{number:04}"), &format!("h{number}.localhost"), &[instance]);
        // Of this test alone: a port for each would say nothing more.
        each.port = 0;
        each
    };
    (0..ROUTES).map(each).collect()
}

#[tokio::test]
async fn one_route_of_many_changes_and_the_change_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    let mut routes = many(&one);
    let first = gate.apply(1, routes.clone()).await;
    assert_eq!(first.ports.len(), ROUTES);
    let snapshot = std::fs::metadata(dir.path().join("routes.json")).unwrap();
    let before = gate.seen().await;

    routes[7].targets = vec![two.target()];
    routes.remove(100);
    let new = route("new", "new.localhost", &[&two]);
    routes.push(new);
    let ack = gate.apply(2, routes.clone()).await;
    assert_eq!(ack.revision, 2);
    let mut expected = first.ports.clone();
    expected.remove("r0100");
    let new_port = ack.ports["new"];
    expected.insert("new".into(), new_port);
    assert_eq!(ack.ports, expected, "all ports, of which nearly all are as before");
    let check = |gate: &Gate| {
        let main = gate.main;
        async move {
            for (host, body) in
                [("h7.localhost", "two"), ("h8.localhost", "one"), ("new.localhost", "two")]
            {
                let reply = crate::support::get(main, host, "/", &[]).await;
                assert_eq!(reply.body, body, "{host}");
            }
            let gone = crate::support::get(main, "h100.localhost", "/", &[]).await;
            assert_eq!(gone.status, 404);
        }
    };
    check(&gate).await;
    let same = std::fs::metadata(dir.path().join("routes.json")).unwrap();
    assert_eq!(same.modified().unwrap(), snapshot.modified().unwrap(), "only the change was kept");
    assert_eq!(gate.seen().await.targets.len(), before.targets.len() + 1);

    gate.kill();
    // The last line torn, as by a kill in the middle of it: never acknowledged, so as if it was never there.
    let changes = dir.path().join("routes.changes");
    let mut bytes = std::fs::read(&changes).unwrap();
    bytes.extend_from_slice(b"{\"change\":{\"base\":[1,2],");
    std::fs::write(&changes, bytes).unwrap();
    let gate = Gate::start(dir.path());
    assert_eq!(gate.seen().await.revision, 2);
    check(&gate).await;
    // The same client as before the kill: the gateway has begun anew, so all of it is sent.
    routes[8].targets = vec![two.target()];
    assert_eq!(gate.apply(3, routes.clone()).await.ports.len(), ROUTES);
    assert_eq!(gate.get("h8.localhost", "/").await.body, "two");
    gate.kill();
    let gate = Gate::start(dir.path());
    assert_eq!(gate.seen().await.revision, 3);
    assert_eq!(gate.get("h8.localhost", "/").await.body, "two");
}

#[tokio::test]
async fn two_control_planes_never_mix_their_tables() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    let old = EdgeClient::new(dir.path());
    let new = EdgeClient::new(dir.path());
    let mut routes = many(&one);
    let set =
        |epoch, revision, routes: &[Route]| RouteSet { epoch, revision, routes: routes.to_vec() };
    old.apply(&set(1, 1, &routes)).await.unwrap();
    // The same again is acknowledged again, in full.
    assert_eq!(old.apply(&set(1, 1, &routes)).await.unwrap().ports.len(), ROUTES);
    routes[1].targets = vec![two.target()];
    new.apply(&set(2, 2, &routes)).await.unwrap();
    routes[2].targets = vec![two.target()];
    new.apply(&set(2, 3, &routes)).await.unwrap();
    // What the old one knows is no longer served: its change is refused, and so is its whole.
    let mut stale = many(&one);
    stale[3].targets = vec![two.target()];
    assert!(old.apply(&set(1, 9, &stale)).await.is_err());
    for (host, body) in [("h1.localhost", "two"), ("h2.localhost", "two"), ("h3.localhost", "one")]
    {
        assert_eq!(gate.get(host, "/").await.body, body, "{host}");
    }
    // The same revision with something else in it is refused, as a change as well as whole.
    let mut other = routes.clone();
    other[5].targets = vec![two.target()];
    assert!(new.apply(&set(2, 3, &other)).await.is_err());
    assert_eq!(gate.seen().await.revision, 3);
}

/// Not a limit, as machines differ: a figure, beside the one of a small table.
#[tokio::test]
async fn an_update_of_one_among_many_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = Instance::start("one").await;
    let mut routes = many(&one);
    gate.apply(1, routes.clone()).await;
    let mut slowest = std::time::Duration::ZERO;
    for revision in 2..22 {
        routes[5].path = format!("/{revision}");
        let began = Instant::now();
        gate.apply(revision, routes.clone()).await;
        slowest = slowest.max(began.elapsed());
        let path = format!("/{revision}");
        assert_eq!(gate.get("h5.localhost", &path).await.body, "one");
    }
    println!("measured: slowest of 20 updates of one route among {ROUTES}: {slowest:?} (debug)");
}
