//! Ready and alive: by the probe that was asked for, for as long as it holds.

use super::harness::{Harness, path};
use super::{Act, group};
use tow_names::Duration;
use tow_record::{ExecProbe, HttpProbe, InstanceSpec, Phase, Probe};

group! { "health":
    "without a probe it is ready once it is there" => alive,
    "it is ready once GET is answered" => http,
    "it is not ready while GET is not found" => http_not_found,
    "it is ready once its port accepts" => tcp,
    "it is never ready where nobody listens" => never,
    "it is ready once a command succeeds" => by_command,
    "it is not ready while a command fails" => command_fails,
    "it is ready after so many successes, not before" => successes,
    "it is unready when GET is not found any more, and is not restarted for that" => unready,
    "it is ready again when it recovers" => recovers,
    "a report says what was asked and what came" => reports,
    "it is restarted when it is not alive any more" => liveness,
    "one that lives is left alone" => lives,
    "one that never lived is still starting" => never_lived,
    "it is not ready while it waits for its next start" => between,
}

fn get(port: u16) -> Probe {
    Probe::Http(HttpProbe { port, path: "/".into(), host: None, headers: Vec::new() })
}

async fn served(h: &Harness, name: &str, acts: &[Act]) -> InstanceSpec {
    let port = h.port().await;
    let serves = Act::Serve(port, "well".into());
    let acts: Vec<Act> = [serves].into_iter().chain(acts.iter().cloned()).collect();
    InstanceSpec { readiness: get(port), ..h.spec(name, &acts, port) }
}

async fn alive(h: &Harness) {
    let spec = h.made("alive", &[]).await;
    h.start(&spec).await;
    let ready = h.ready(&spec.id).await;
    assert!(ready.ready_since.is_some());
    h.finish(&spec.id).await;
}

async fn http(h: &Harness) {
    let spec = served(h, "http", &[]).await;
    h.start(&spec).await;
    let ready = h.ready(&spec.id).await;
    assert!(ready.probe.as_ref().is_some_and(|probe| probe.ok && probe.what.contains("GET /")));
    h.finish(&spec.id).await;
}

async fn http_not_found(h: &Harness) {
    let spec = served(h, "not-found", &[Act::Sicken]).await;
    h.start(&spec).await;
    h.until(&spec.id, "asked", |one| one.probe.as_ref().is_some_and(|probe| !probe.ok)).await;
    h.pass(500).await;
    let seen = h.look(&spec.id).await.expect("it is there");
    assert!(!seen.ready && seen.ready_since.is_none() && seen.restarts == 0, "{seen:?}");
    h.finish(&spec.id).await;
}

async fn tcp(h: &Harness) {
    let mut spec = served(h, "tcp", &[]).await;
    spec.readiness = Probe::Tcp { port: spec.ports[0] };
    h.start(&spec).await;
    h.ready(&spec.id).await;
    h.finish(&spec.id).await;
}

async fn never(h: &Harness) {
    let mut spec = h.made("never", &[]).await;
    spec.readiness = Probe::Tcp { port: spec.ports[0] };
    h.start(&spec).await;
    let probed = h.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    assert!(!probed.ready && probed.ready_since.is_none());
    assert!(probed.probe.is_some_and(|probe| !probe.ok && !probe.what.is_empty()));
    h.finish(&spec.id).await;
}

async fn by_command(h: &Harness) {
    let note = path(h.scratch, "note");
    let acts = [Act::Wait(200), Act::Write(note.clone(), "here".into())];
    let mut spec = h.made("command", &acts).await;
    spec.readiness = Probe::Exec(ExecProbe { argv: (h.command)(&[Act::Require(note)]) });
    h.start(&spec).await;
    h.ready(&spec.id).await;
    h.finish(&spec.id).await;
}

async fn command_fails(h: &Harness) {
    let mut spec = h.made("command-fails", &[]).await;
    let argv = (h.command)(&[Act::Require(path(h.scratch, "nothing"))]);
    spec.readiness = Probe::Exec(ExecProbe { argv });
    h.start(&spec).await;
    let probed = h.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    assert!(!probed.ready && probed.probe.is_some_and(|probe| !probe.ok));
    h.finish(&spec.id).await;
}

async fn successes(h: &Harness) {
    let mut spec = served(h, "successes", &[]).await;
    spec.successes = 3;
    spec.interval = Duration::from_millis(300);
    h.start(&spec).await;
    let first = h.until(&spec.id, "asked", |one| one.probe.as_ref().is_some_and(|p| p.ok)).await;
    assert!(!first.ready, "one success is not three: {first:?}");
    h.ready(&spec.id).await;
    h.finish(&spec.id).await;
}

async fn unready(h: &Harness) {
    let spec = served(h, "unready", &[Act::Wait(1500), Act::Sicken]).await;
    h.start(&spec).await;
    h.ready(&spec.id).await;
    let sick = h.until(&spec.id, "unready", |one| !one.ready).await;
    assert_eq!((sick.phase, sick.restarts, sick.ready_since), (Phase::Running, 0, None));
    h.finish(&spec.id).await;
}

async fn recovers(h: &Harness) {
    let acts = [Act::Wait(1500), Act::Sicken, Act::Wait(1500), Act::Recover];
    let spec = served(h, "recovers", &acts).await;
    h.start(&spec).await;
    let first = h.ready(&spec.id).await;
    h.until(&spec.id, "unready", |one| !one.ready).await;
    let again = h.ready(&spec.id).await;
    assert!(again.ready_since > first.ready_since, "ready since it recovered: {again:?}");
    assert_eq!(again.restarts, 0);
    h.finish(&spec.id).await;
}

async fn reports(h: &Harness) {
    let spec = served(h, "reports", &[]).await;
    h.start(&spec).await;
    let ready = h.ready(&spec.id).await;
    let probe = ready.probe.expect("a report");
    assert!(probe.what.contains("GET /") && probe.what.contains("200"), "{probe:?}");
    assert!(probe.at.0 > 0);
    h.finish(&spec.id).await;
}

async fn liveness(h: &Harness) {
    let mut spec = served(h, "liveness", &[Act::Wait(1500), Act::Sicken]).await;
    spec.liveness = Some(get(spec.ports[0]));
    h.start(&spec).await;
    h.ready(&spec.id).await;
    h.until(&spec.id, "restarted", |one| one.restarts >= 1).await;
    assert!(h.log(&spec.id).await.iter().any(|line| line.text.contains("not alive")));
    h.finish(&spec.id).await;
}

async fn lives(h: &Harness) {
    let mut spec = served(h, "lives", &[]).await;
    spec.liveness = Some(get(spec.ports[0]));
    h.start(&spec).await;
    h.ready(&spec.id).await;
    h.pass(1000).await;
    let seen = h.look(&spec.id).await.expect("it is there");
    assert_eq!((seen.ready, seen.restarts), (true, 0));
    h.finish(&spec.id).await;
}

async fn never_lived(h: &Harness) {
    let mut spec = h.made("slow", &[]).await;
    spec.readiness = Probe::Tcp { port: spec.ports[0] };
    spec.liveness = Some(Probe::Tcp { port: spec.ports[0] });
    h.start(&spec).await;
    h.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    h.pass(1000).await;
    let seen = h.look(&spec.id).await.expect("it is there");
    assert_eq!((seen.phase, seen.restarts), (Phase::Running, 0));
    h.finish(&spec.id).await;
}

async fn between(h: &Harness) {
    let mut spec = h.made("between", &[Act::Wait(300), Act::Exit(1)]).await;
    if let tow_record::Restart::Always(backoff) = &mut spec.restart {
        backoff.first = Duration::from_secs(3600);
        backoff.most = Duration::from_secs(3600);
    }
    h.start(&spec).await;
    let waits =
        h.until(&spec.id, "waiting", |one| matches!(one.phase, Phase::Backoff | Phase::CrashLoop));
    let waits = waits.await;
    assert_eq!((waits.ready, waits.ready_since, waits.pid), (false, None, None));
    h.finish(&spec.id).await;
}
