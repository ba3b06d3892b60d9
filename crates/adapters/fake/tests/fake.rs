//! The pretended world moves by its clock alone, keeps to the ports' contracts, and breaks when it is told to.
#![allow(clippy::unwrap_used, reason = "a test may")]

use bytes::Bytes;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tow_fake::{BuildScript, FakeClock, FakeKeys, Script, To, World};
use tow_names::{Digest, Duration, Id, Timestamp};
use tow_ports::{Blobs, Builder, Clock, Edge, Keys, LogQuery, PortError, Runtime, When};
use tow_record::{
    Backoff, BuildSpec, Exit, InstanceSpec, Mode, Phase, Probe, Program, Restart, Route,
    RouteRules, RouteSet, RouteTarget, State,
};

fn secs(n: i64) -> Duration {
    Duration::from_secs(n)
}

fn fresh() -> (Arc<FakeClock>, Arc<World>) {
    let clock = FakeClock::new();
    let world = World::new(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    (clock, world)
}

fn spec(title: &str) -> InstanceSpec {
    InstanceSpec {
        id: Id::fresh("i"),
        program: Program::Static,
        artifact: None,
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        ports: vec![],
        listen: vec![],
        readiness: Probe::Alive,
        liveness: None,
        interval: secs(1),
        timeout: secs(1),
        successes: 1,
        restart: Restart::Always(Backoff {
            first: secs(1),
            most: secs(4),
            reset_after: secs(60),
            crash_loop_after: 3,
        }),
        grace: secs(10),
        before_stop: None,
        time_limit: None,
        setting: tow_record::Setting::default(),
        title: title.into(),
    }
}

async fn phase(runtime: &impl Runtime, id: &Id) -> Option<(Phase, bool)> {
    let seen = runtime.observe().await.unwrap();
    seen.into_iter().find(|seen| seen.id == *id).map(|seen| (seen.phase, seen.ready))
}

fn pending<T>(future: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[tokio::test]
async fn time_stands_still_until_it_is_advanced() {
    let clock = FakeClock::at(Timestamp(0));
    let (early, late) = (Timestamp(5), Timestamp(9));
    let sleeper = Arc::clone(&clock);
    let task = tokio::spawn(async move { sleeper.sleep_until(early).await });
    let mut other = clock.sleep_until(late);
    assert!(pending(other.as_mut()));
    while clock.sleeping() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(clock.next_wake(), Some(early));
    clock.advance(Duration::from_micros(6));
    task.await.unwrap();
    assert!(pending(other.as_mut()));
    assert_eq!((clock.now(), clock.next_wake()), (Timestamp(6), Some(late)));
    drop(other);
    assert_eq!((clock.sleeping(), clock.next_wake()), (0, None));
    clock.advance_to(early);
    assert_eq!(clock.now(), Timestamp(6), "never back");
    clock.sleep_until(early).await;
}

#[tokio::test]
async fn instances_do_as_they_were_told() {
    let (clock, world) = fresh();
    let runtime = world.runtime();
    world.script(To::Title("slow".into()), Script::ready_after(secs(5)));
    world.script(To::Title("never".into()), Script::never_ready());
    world.script(To::Env("V".into(), "2".into()), Script::exits(secs(2), 3));
    let (slow, never) = (spec("slow/0 main"), spec("never/0 main"));
    let once = InstanceSpec {
        restart: Restart::Never,
        env: BTreeMap::from([("V".into(), "2".into())]),
        ..spec("once")
    };
    let told = InstanceSpec {
        env: BTreeMap::from([("TOW_FAKE".into(), "ready-after=1s".into())]),
        ..spec("told")
    };
    for spec in [&slow, &never, &once, &told] {
        runtime.start(1, spec).await.unwrap();
    }
    assert_eq!(phase(&runtime, &slow.id).await, Some((Phase::Running, false)));
    assert_eq!(phase(&runtime, &told.id).await, Some((Phase::Running, false)));
    assert_eq!(world.next_change(), Some(clock.now().plus(secs(1))));
    clock.advance(secs(5));
    assert_eq!(phase(&runtime, &slow.id).await, Some((Phase::Running, true)));
    assert_eq!(phase(&runtime, &told.id).await, Some((Phase::Running, true)));
    assert_eq!(phase(&runtime, &never.id).await, Some((Phase::Running, false)));
    assert_eq!(phase(&runtime, &once.id).await, Some((Phase::Exited, false)));
    let seen = runtime.observe().await.unwrap();
    let by = |id: &Id| seen.iter().find(|seen| seen.id == *id).unwrap();
    assert_eq!(by(&once.id).exit, Some(Exit::Code { code: 3 }));
    assert_eq!((by(&once.id).pid, by(&once.id).message.as_str()), (None, "exited with code 3"));
    assert_eq!(by(&slow.id).ready_since, Some(clock.now()));
    assert_ne!(by(&slow.id).pid, by(&never.id).pid);
    let wrong = InstanceSpec {
        env: BTreeMap::from([("TOW_FAKE".into(), "dance".into())]),
        ..spec("wrong")
    };
    assert!(matches!(runtime.start(1, &wrong).await, Err(PortError::Refused(_))));
    assert_eq!(world.starts(&wrong.id), 0);
}

#[tokio::test]
async fn who_crashes_is_started_again_later_and_later() {
    let (clock, world) = fresh();
    let runtime = world.runtime();
    world.script(To::All, Script { ends_times: 4, ..Script::exits(secs(0), 1) });
    let web = spec("web/0 main");
    runtime.start(1, &web).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..13 {
        let now = &runtime.observe().await.unwrap()[0];
        seen.push((now.phase, now.restarts));
        clock.advance(secs(1));
    }
    use Phase::{Backoff as B, CrashLoop as C, Running as R};
    let crashes = [(B, 0), (B, 1), (B, 1), (B, 2), (B, 2), (B, 2), (B, 2), (C, 3), (C, 3), (C, 3)];
    assert_eq!(seen[..10], crashes);
    assert_eq!(seen[10..], [(C, 3), (R, 4), (R, 4)]);
    assert_eq!(world.starts(&web.id), 1, "restarts are the runtime's own");
    // Long after, in one look.
    world.kill(&web.id, Exit::Signal { signal: 9 });
    assert_eq!(phase(&runtime, &web.id).await, Some((C, false)));
    clock.advance(secs(86_400));
    assert_eq!(phase(&runtime, &web.id).await, Some((R, false)));
    world.kill(&web.id, Exit::Signal { signal: 9 });
    assert_eq!(phase(&runtime, &web.id).await, Some((B, false)), "it had run long enough");
}

#[tokio::test]
async fn stopping_takes_its_grace_and_ends_for_good() {
    let (clock, world) = fresh();
    let runtime = world.runtime();
    let (web, stubborn, crashed) = (spec("web"), spec("stubborn"), spec("crashed"));
    world.script(To::Title("stubborn".into()), Script::default().stubborn());
    world.script(To::Title("crashed".into()), Script::crash_loops());
    for spec in [&web, &stubborn, &crashed] {
        runtime.start(1, spec).await.unwrap();
        runtime.start(1, spec).await.unwrap();
        assert!(matches!(runtime.remove(1, &spec.id).await, Err(PortError::Refused(_))));
        runtime.stop(1, &spec.id, secs(10)).await.unwrap();
    }
    assert_eq!(phase(&runtime, &web.id).await, Some((Phase::Exited, false)));
    assert_eq!(phase(&runtime, &crashed.id).await, Some((Phase::Exited, false)));
    assert_eq!(phase(&runtime, &stubborn.id).await, Some((Phase::Stopping, false)));
    runtime.start(1, &web).await.unwrap();
    assert_eq!(phase(&runtime, &web.id).await, Some((Phase::Exited, false)), "never twice");
    clock.advance(secs(9));
    assert_eq!(phase(&runtime, &stubborn.id).await, Some((Phase::Stopping, false)));
    clock.advance(secs(1));
    assert_eq!(phase(&runtime, &stubborn.id).await, Some((Phase::Exited, false)));
    let seen = runtime.observe().await.unwrap();
    let killed = seen.iter().find(|seen| seen.id == stubborn.id).unwrap();
    assert_eq!(killed.exit, Some(Exit::Signal { signal: 9 }));
    clock.advance(secs(1000));
    for spec in [&web, &stubborn, &crashed] {
        runtime.remove(1, &spec.id).await.unwrap();
        runtime.remove(1, &spec.id).await.unwrap();
        runtime.stop(1, &spec.id, secs(1)).await.unwrap();
        assert_eq!(world.starts(&spec.id), 1);
    }
    assert!(world.instances().is_empty());
}

#[tokio::test]
async fn the_world_outlives_the_platform_and_obeys_the_highest_epoch() {
    let (_clock, world) = fresh();
    let web = spec("web");
    world.runtime().start(3, &web).await.unwrap();
    let again = world.runtime();
    assert_eq!(phase(&again, &web.id).await, Some((Phase::Running, true)));
    let fenced = Err(PortError::Fenced { given: 2, seen: 3 });
    assert_eq!(again.start(2, &spec("late")).await, fenced);
    assert_eq!(again.stop(2, &web.id, secs(1)).await, fenced);
    assert_eq!(again.remove(2, &web.id).await, fenced);
    assert_eq!(world.instances().len(), 1);
    world.reboot();
    assert_eq!(phase(&again, &web.id).await, Some((Phase::Lost, false)));
    again.remove(3, &web.id).await.unwrap();
}

#[tokio::test]
async fn calls_fail_on_request_before_or_after_their_effect() {
    let (_clock, world) = fresh();
    let runtime = world.runtime();
    let web = spec("web");
    world.fail_next("runtime.start", When::Before);
    world.fail_next("runtime.start", When::After);
    assert!(matches!(runtime.start(1, &web).await, Err(PortError::Unavailable(_))));
    assert_eq!(world.starts(&web.id), 0);
    assert!(matches!(runtime.start(1, &web).await, Err(PortError::Unavailable(_))));
    assert_eq!(world.starts(&web.id), 1, "it happened, and nobody was told");
    runtime.start(1, &web).await.unwrap();
    assert_eq!(world.starts(&web.id), 1);
    world.fail_next("runtime.observe", When::Before);
    assert!(runtime.observe().await.is_err());
    assert!(runtime.observe().await.is_ok());
}

#[tokio::test]
async fn changes_are_told_of_by_deed_and_by_time() {
    let (clock, world) = fresh();
    let runtime = Arc::new(world.runtime());
    runtime.changed().await;
    {
        let mut waiting = runtime.changed();
        assert!(pending(waiting.as_mut()), "nothing changed");
    }
    let waiting = Arc::clone(&runtime);
    let task = tokio::spawn(async move { waiting.changed().await });
    world.script(To::All, Script::ready_after(secs(7)));
    runtime.start(1, &spec("web")).await.unwrap();
    task.await.unwrap();
    let waiting = Arc::clone(&runtime);
    let task = tokio::spawn(async move { waiting.changed().await });
    while clock.next_wake().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(clock.next_wake(), Some(clock.now().plus(secs(7))));
    clock.advance(secs(7));
    task.await.unwrap();
    assert!(world.instances()[0].ready);
}

#[tokio::test]
async fn logs_have_a_tail_and_go_on() {
    let (clock, world) = fresh();
    let runtime = world.runtime();
    world.script(To::All, Script { says: vec!["hello".into()], ..Script::exits(secs(2), 1) });
    let web = spec("web");
    runtime.start(1, &web).await.unwrap();
    let texts = |query| {
        let lines = runtime.logs(&web.id, query);
        async { lines.await.unwrap().map(|line| line.text).collect::<Vec<_>>().await }
    };
    assert_eq!(texts(LogQuery::default()).await, ["started web", "hello"]);
    assert_eq!(texts(LogQuery { tail: Some(1), ..LogQuery::default() }).await, ["hello"]);
    let after = Some(clock.now());
    assert!(texts(LogQuery { after, ..LogQuery::default() }).await.is_empty());
    let follow = LogQuery { tail: Some(0), follow: true, ..LogQuery::default() };
    let mut lines = runtime.logs(&web.id, follow).await.unwrap();
    let task = tokio::spawn(async move { (lines.next().await, lines.next().await) });
    while clock.next_wake().is_none() {
        tokio::task::yield_now().await;
    }
    clock.advance(secs(3));
    let (first, second) = task.await.unwrap();
    assert_eq!(first.unwrap().text, "exited with code 1");
    assert_eq!(second.unwrap().text, "started web");
    let nobody = runtime.logs(&Id::fresh("i"), LogQuery::default()).await;
    assert!(matches!(nobody.err(), Some(PortError::NotThere(_))));
}

#[tokio::test]
async fn ports_are_the_same_each_time_and_nobody_elses() {
    let (_clock, world) = fresh();
    let runtime = world.runtime();
    assert_eq!(runtime.free_ports(2, &[20_001]).await.unwrap(), [20_000, 20_002]);
    let web =
        InstanceSpec { ports: vec![20_000], listen: vec!["127.0.0.1:0".into()], ..spec("web") };
    runtime.start(1, &web).await.unwrap();
    assert_eq!(world.instances()[0].listening, ["127.0.0.1:20001"]);
    assert!(!runtime.free_ports(3, &[]).await.unwrap().contains(&20_000));
    runtime.stop(1, &web.id, secs(1)).await.unwrap();
    assert_eq!(runtime.free_ports(1, &[]).await.unwrap(), [20_000]);
    assert!(runtime.free_ports(60_000, &[]).await.is_err());
}

fn table(epoch: i64, revision: i64, routes: &[(&str, u16, &str)]) -> RouteSet {
    let route = |(id, port, instance): &(&str, u16, &str)| Route {
        id: (*id).into(),
        hosts: vec![format!("{id}.localhost")],
        path: "/".into(),
        port: *port,
        component: "web".into(),
        environment: "dev".into(),
        targets: vec![RouteTarget {
            instance: (*instance).into(),
            address: "127.0.0.1:1".into(),
            release: 1,
            deployment: 1,
        }],
        state: State::Live,
        reason: String::new(),
        wakes: false,
        split: None,
        mode: Mode::Serving,
        rules: RouteRules::default(),
    };
    RouteSet { epoch, revision, routes: routes.iter().map(route).collect() }
}

#[tokio::test]
async fn the_edge_takes_only_newer_tables() {
    let (_clock, world) = fresh();
    let edge = world.edge();
    let first = table(1, 1, &[("a", 0, "i-1"), ("b", 7000, "i-2")]);
    let ack = edge.apply(&first).await.unwrap();
    assert_eq!(ack.ports, BTreeMap::from([("a".into(), 30_000), ("b".into(), 7000)]));
    assert_eq!(edge.apply(&first).await.unwrap(), ack, "the same again");
    let other = table(1, 1, &[]);
    assert!(matches!(edge.apply(&other).await, Err(PortError::Refused(_))));
    let second = table(2, 2, &[("c", 0, "i-3"), ("a", 0, "i-3")]);
    let ports = edge.apply(&second).await.unwrap().ports;
    assert_eq!((ports["a"], ports.len()), (30_000, 2), "a port stays with its route");
    assert_ne!(ports["c"], ports["a"]);
    let refused = edge.apply(&table(1, 9, &[])).await;
    assert_eq!(refused, Err(PortError::Fenced { given: 1, seen: 2 }));
    assert!(matches!(edge.apply(&table(2, 1, &[])).await, Err(PortError::Refused(_))));
    assert_eq!(world.routes(), second);

    world.in_flight(&Id::parse("i-1").unwrap(), 2);
    let seen = edge.observe().await.unwrap();
    assert_eq!((seen.reachable, seen.epoch, seen.revision), (true, 2, 2));
    assert_eq!(seen.targets["i-1"].in_flight, 2, "told of until it is drained");
    assert_eq!(seen.targets["i-3"].in_flight, 0);
    world.in_flight(&Id::parse("i-1").unwrap(), 0);
    assert!(!edge.observe().await.unwrap().targets.contains_key("i-1"));

    world.edge_reachable(false);
    assert!(!edge.observe().await.unwrap().reachable);
    assert!(matches!(edge.apply(&second).await, Err(PortError::Unavailable(_))));
    world.edge_reachable(true);
    world.reboot();
    let back = edge.observe().await.unwrap();
    assert_eq!((back.reachable, back.revision), (true, 2));
    assert_ne!(back.boot, seen.boot);
}

#[tokio::test]
async fn builds_make_the_same_of_the_same() {
    let (clock, world) = fresh();
    let blobs: Arc<dyn Blobs> = Arc::new(world.blobs());
    let builder = world.builder(Arc::clone(&blobs));
    let spec = |text: &str| BuildSpec::new(Digest::of(text.as_bytes()), secs(100));
    let none = BTreeMap::new();
    let (one, two, other) = (Id::fresh("build"), Id::fresh("build"), Id::fresh("build"));
    world.script_builds(BuildScript { takes: secs(5), ..BuildScript::default() });
    for (id, text) in [(&one, "x"), (&two, "x"), (&other, "y"), (&one, "x")] {
        builder.start(1, id, &spec(text), &none, clock.now()).await.unwrap();
    }
    let running = builder.observe(&one).await.unwrap();
    assert_eq!((running.running, running.exit, running.artifact), (true, None, None));
    clock.advance(secs(5));
    let builder = world.builder(Arc::clone(&blobs));
    let made = async |id: &Id| builder.observe(id).await.unwrap().artifact.unwrap();
    let artifact = made(&one).await;
    assert!(blobs.has(&artifact.digest).await.unwrap());
    assert_eq!(artifact.key, spec("x").key());
    assert_eq!(artifact.digest, made(&two).await.digest);
    assert_ne!(artifact.digest, made(&other).await.digest);
    assert_eq!(made(&one).await, artifact, "asked again, the same is said");
    assert_eq!(world.build_starts(&one), 1);

    let (fails, late) = (Id::fresh("build"), Id::fresh("build"));
    let broken = BuildScript { fails: Some("no such crate".into()), ..BuildScript::default() };
    world.script_builds(broken);
    builder.start(1, &fails, &spec("x"), &none, clock.now()).await.unwrap();
    world.script_builds(BuildScript { takes: secs(1000), ..BuildScript::default() });
    builder.start(1, &late, &spec("x"), &none, clock.now()).await.unwrap();
    let failed = builder.observe(&fails).await.unwrap();
    assert_eq!(failed.exit, Some(Exit::Code { code: 1 }));
    assert_eq!((failed.artifact, failed.message.as_str()), (None, "no such crate"));
    assert_eq!(builder.log(&fails, 1).await.unwrap()[0].text, "no such crate");
    clock.advance(secs(100));
    assert_eq!(builder.observe(&late).await.unwrap().exit, Some(Exit::Timeout));
    let fenced = builder.remove(0, &late).await;
    assert_eq!(fenced, Err(PortError::Fenced { given: 0, seen: 1 }));
    assert_eq!(builder.list().await.unwrap().len(), 5);
    builder.remove(1, &late).await.unwrap();
    builder.remove(1, &late).await.unwrap();
    assert!(matches!(builder.observe(&late).await, Err(PortError::NotThere(_))));
}

#[tokio::test]
async fn blobs_and_keys_keep_their_contracts() {
    let (_clock, world) = fresh();
    let blobs = world.blobs();
    let stream = |text: &'static str| futures::stream::iter([Ok(Bytes::from(text))]).boxed();
    let (digest, size) = blobs.put(stream("hello"), 5).await.unwrap();
    assert_eq!((&digest, size), (&Digest::of(b"hello"), 5));
    assert!(matches!(blobs.put(stream("longer"), 5).await, Err(PortError::Refused(_))));
    assert!(!blobs.has(&Digest::of(b"longer")).await.unwrap());
    let path = world.blobs().path(&digest).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"hello");
    blobs.remove(&digest).await.unwrap();
    assert!(matches!(blobs.path(&digest).await, Err(PortError::NotThere(_))));

    let keys = FakeKeys::default();
    let plain = "a value that is longer than one digest, with ünicode";
    let (one, two) = (
        keys.seal("here", plain.as_bytes()).unwrap(),
        keys.seal("here", plain.as_bytes()).unwrap(),
    );
    assert_ne!(one.sealed, two.sealed);
    assert_eq!(one.digest, two.digest);
    assert!(!one.sealed.contains("value"));
    assert_eq!(keys.open("here", &one).unwrap(), plain.as_bytes());
    assert!(matches!(keys.open("there", &one), Err(PortError::Refused(_))));
    let another = FakeKeys::default();
    assert_eq!(another.open("here", &two).unwrap(), plain.as_bytes(), "it survives the platform");
}

#[tokio::test]
async fn a_snapshot_holds_what_exists_and_no_chance() {
    let (clock, world) = fresh();
    let web = spec("web");
    world.runtime().start(5, &web).await.unwrap();
    world.edge().apply(&table(5, 1, &[("a", 0, web.id.as_str())])).await.unwrap();
    let before = world.snapshot();
    assert_eq!(before["processes"][0]["id"], web.id.as_str());
    assert_eq!(before["routes"][0]["targets"][0]["instance"], web.id.as_str());
    assert!(!before.to_string().contains("pid"));
    clock.advance(secs(5));
    world.edge().apply(&table(6, 2, &[("a", 0, web.id.as_str())])).await.unwrap();
    assert_eq!(world.snapshot(), before, "a later epoch and a later time are the same world");
    world.runtime().stop(6, &web.id, secs(1)).await.unwrap();
    assert_ne!(world.snapshot(), before);
}

#[test]
fn scripts_have_a_text() {
    let script = Script::parse("ready-after=2s exits-after=1m code=3 times=2").unwrap();
    assert_eq!(script.ready_after, Some(secs(2)));
    assert_eq!((script.ends, script.ends_times), (Some((secs(60), Exit::Code { code: 3 })), 2));
    assert_eq!(Script::parse("never-ready").unwrap(), Script::never_ready());
    assert_eq!(Script::parse("").unwrap(), Script::default());
    for wrong in ["dance", "ready-after", "code=x", "never-ready=1"] {
        assert!(Script::parse(wrong).is_err(), "{wrong}");
    }
}
