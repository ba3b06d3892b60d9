//! What was to end: once, with its result, within its time.

use super::harness::{Harness, path, say};
use super::{Act, group};
use tow_names::Duration;
use tow_record::{Exit, Phase};

group! { "jobs":
    "a job that ends well is not started again" => once,
    "a job that fails is not started again" => fails,
    "a job's result and log stay until it is removed" => stays,
    "a job that takes too long is ended, and that is said" => too_long,
    "a job within its time is left alone" => in_time,
    "a job that heeds no SIGTERM is ended at its time, too" => stubborn,
    "a job can be stopped" => stopped,
    "a job that is started again under another id starts anew" => another,
    "the same job's start is never done twice" => never_twice,
}

async fn once(h: &Harness) {
    let spec = h.job("once", &[say("done"), Act::Exit(0)]).await;
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!((ended.exit, ended.restarts), (Some(Exit::Code { code: 0 }), 0));
    h.pass(300).await;
    assert_eq!(h.own(&spec.id).await, ["done"]);
    h.remove(&spec.id).await;
}

async fn fails(h: &Harness) {
    let spec = h.job("fails", &[say("failed"), Act::Exit(9)]).await;
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!((ended.exit, ended.restarts), (Some(Exit::Code { code: 9 }), 0));
    h.pass(300).await;
    assert_eq!(h.own(&spec.id).await, ["failed"]);
    h.remove(&spec.id).await;
}

async fn stays(h: &Harness) {
    let spec = h.job("stays", &[say("result"), Act::Exit(5)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    h.pass(2000).await;
    let still = h.look(&spec.id).await.expect("it is there");
    assert_eq!((still.phase, still.exit), (Phase::Exited, Some(Exit::Code { code: 5 })));
    assert_eq!(h.own(&spec.id).await, ["result"]);
    h.remove(&spec.id).await;
}

async fn too_long(h: &Harness) {
    let mut spec = h.job("too-long", &[say("begun")]).await;
    spec.time_limit = Some(Duration::from_millis(700));
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!(ended.exit, Some(Exit::Timeout), "{ended:?}");
    assert!(!ended.message.is_empty());
    h.remove(&spec.id).await;
}

async fn in_time(h: &Harness) {
    let mut spec = h.job("in-time", &[Act::Wait(100), Act::Exit(0)]).await;
    spec.time_limit = Some(Duration::from_secs(50));
    h.start(&spec).await;
    assert_eq!(h.ended(&spec.id).await.exit, Some(Exit::Code { code: 0 }));
    h.remove(&spec.id).await;
}

async fn stubborn(h: &Harness) {
    let mut spec = h.job("stubborn", &[Act::IgnoreTerm, say("begun")]).await;
    spec.time_limit = Some(Duration::from_millis(700));
    spec.grace = Duration::from_millis(200);
    h.start(&spec).await;
    assert_eq!(h.ended(&spec.id).await.exit, Some(Exit::Timeout));
    h.remove(&spec.id).await;
}

async fn stopped(h: &Harness) {
    let spec = h.job("stopped", &[say("begun")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "begun").await;
    h.stop(&spec.id, 5000).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!((ended.restarts, ended.pid), (0, None));
    h.remove(&spec.id).await;
}

async fn another(h: &Harness) {
    let note = path(h.scratch, "note");
    let acts = [Act::Show(note.clone()), Act::Write(note.clone(), "x".into()), Act::Exit(0)];
    for _ in 0..2 {
        let spec = h.job("anew", &acts).await;
        h.start(&spec).await;
        h.ended(&spec.id).await;
        // Nothing of the attempt before is in its way.
        assert_eq!(h.own(&spec.id).await[0], format!("{note}: refused"));
        h.remove(&spec.id).await;
    }
}

async fn never_twice(h: &Harness) {
    let spec = h.job("never-twice", &[say("begun"), Act::Wait(300), Act::Exit(0)]).await;
    h.start(&spec).await;
    h.start(&spec).await;
    h.until(&spec.id, "running", |one| one.phase != Phase::Starting).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    h.start(&spec).await;
    h.pass(300).await;
    assert_eq!(h.own(&spec.id).await, ["begun"]);
    h.remove(&spec.id).await;
}
