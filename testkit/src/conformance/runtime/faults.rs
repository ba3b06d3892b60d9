//! What nobody ordered.

use super::harness::{EPOCH, Harness, say};
use super::{Act, group};
use tow_record::{Exit, Phase, Probe};

group! { "faults":
    "a program that was killed is started again" => killed,
    "a job that was killed is not" => job_killed,
    "a program goes on when whatever watches it is killed" => unwatched,
    "it is watched again, and its log goes on" => watched_again,
    "it can be stopped after that" => stopped_after,
    "both killed is a restart" => both,
    "one that is not ready any more after a restart is not ready" => not_ready,
    "a start that was refused may be made again" => refused_again,
    "twenty at once all run, and all end" => many,
}

async fn killed(h: &Harness) {
    let spec = h.made("killed", &[say("here")]).await;
    let first = h.running(&spec).await;
    h.said(&spec.id, "here").await;
    (h.kill)(&first).await;
    let again = h
        .until(&spec.id, "restarted", |one| one.restarts == 1 && one.phase == Phase::Running)
        .await;
    assert_ne!(again.pid, first.pid);
    assert!(super::death::by_signal(again.exit, 9), "{again:?}");
    h.finish(&spec.id).await;
}

async fn job_killed(h: &Harness) {
    let spec = h.job("job-killed", &[say("begun")]).await;
    let first = h.running(&spec).await;
    h.said(&spec.id, "begun").await;
    (h.kill)(&first).await;
    let ended = h.ended(&spec.id).await;
    assert!(super::death::by_signal(ended.exit, 9), "{ended:?}");
    h.pass(200).await;
    assert_eq!(h.own(&spec.id).await, ["begun"]);
    h.remove(&spec.id).await;
}

async fn unwatched(h: &Harness) {
    let port = h.port().await;
    let mut spec = h.spec("unwatched", &[Act::Serve(port, "here".into())], port);
    spec.readiness = Probe::Tcp { port };
    h.start(&spec).await;
    let first = h.ready(&spec.id).await;
    (h.kill_shim)(&first).await;
    h.reached(port, Some("here")).await;
    let again = h
        .until(&spec.id, "watched", |one| {
            one.phase == Phase::Running && one.ready && one.pid.is_some()
        })
        .await;
    assert_eq!((again.pid, again.restarts), (first.pid, 0));
    h.finish(&spec.id).await;
}

async fn watched_again(h: &Harness) {
    let acts: Vec<Act> =
        (0..40).flat_map(|n| [say(&format!("count {n}")), Act::Wait(100)]).collect();
    let spec = h.made("watched", &acts).await;
    let first = h.running(&spec).await;
    h.said(&spec.id, "count 3").await;
    (h.kill_shim)(&first).await;
    // Whoever looks sees to it that it is watched again.
    h.until(&spec.id, "watched", |one| one.phase == Phase::Running && one.pid == first.pid).await;
    h.said(&spec.id, "count 39").await;
    let own = h.own(&spec.id).await;
    assert_eq!(own, (0..40).map(|n| format!("count {n}")).collect::<Vec<_>>());
    h.finish(&spec.id).await;
}

async fn stopped_after(h: &Harness) {
    let spec = h.made("stopped-after", &[say("here")]).await;
    let first = h.running(&spec).await;
    h.said(&spec.id, "here").await;
    (h.kill_shim)(&first).await;
    h.stop(&spec.id, 5000).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!(ended.restarts, 0, "{ended:?}");
    h.remove(&spec.id).await;
}

async fn both(h: &Harness) {
    let spec = h.made("both", &[say("here")]).await;
    let first = h.running(&spec).await;
    h.said(&spec.id, "here").await;
    (h.kill_shim)(&first).await;
    (h.kill)(&first).await;
    let again = h
        .until(&spec.id, "restarted", |one| one.phase == Phase::Running && one.pid != first.pid)
        .await;
    assert_eq!(again.restarts, 1);
    assert!(
        again.exit == Some(Exit::Unknown) || super::death::by_signal(again.exit, 9),
        "{again:?}"
    );
    h.finish(&spec.id).await;
}

async fn not_ready(h: &Harness) {
    let port = h.port().await;
    let acts = [Act::Wait(300), Act::Serve(port, "well".into())];
    let mut spec = h.spec("not-ready", &acts, port);
    spec.readiness = Probe::Tcp { port };
    h.start(&spec).await;
    let first = h.ready(&spec.id).await;
    (h.kill)(&first).await;
    let again = h.until(&spec.id, "restarted", |one| one.restarts == 1).await;
    assert!(!again.ready, "{again:?}");
    h.ready(&spec.id).await;
    h.finish(&spec.id).await;
}

async fn refused_again(h: &Harness) {
    let mut spec = h.made("again", &[say("here")]).await;
    spec.files.insert("../out".into(), (Vec::new(), 0o644));
    h.runtime.start(EPOCH, &spec).await.expect_err("it leads out of its folder");
    spec.files.clear();
    h.running(&spec).await;
    h.said(&spec.id, "here").await;
    h.finish(&spec.id).await;
}

async fn many(h: &Harness) {
    let ports = h.runtime.free_ports(20, &[]).await.expect("ports");
    let specs: Vec<_> = ports.iter().map(|port| h.spec("many", &[say("here")], *port)).collect();
    for spec in &specs {
        h.start(spec).await;
    }
    for spec in &specs {
        h.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
        h.said(&spec.id, "here").await;
    }
    for spec in &specs {
        h.stop(&spec.id, 5000).await;
    }
    for spec in &specs {
        h.ended(&spec.id).await;
        h.remove(&spec.id).await;
    }
}
