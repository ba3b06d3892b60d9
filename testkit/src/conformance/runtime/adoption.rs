//! The control plane died, and another one looks at what there is.

use super::harness::{EPOCH, Harness, say};
use super::{Act, group};
use futures::StreamExt as _;
use tow_names::Duration;
use tow_ports::{ExecSpec, LogQuery, PortError};
use tow_record::{Exit, Phase};

group! { "adoption":
    "what runs is found, and goes on" => found,
    "what is ready stays so" => stays_ready,
    "what ended meanwhile is found with its result" => ended_meanwhile,
    "the start of what runs does nothing" => start_again,
    "what runs can be stopped and removed" => stopped,
    "what was stopping ends" => was_stopping,
    "its log is whole" => log,
    "epochs are remembered" => epochs,
    "a restart meanwhile is counted" => restarts,
    "a command can be run in what was found" [Exec] => exec,
}

async fn found(h: &Harness) {
    let spec = h.made("found", &[say("here")]).await;
    let before = h.running(&spec).await;
    let again = h.reopened(&spec.id);
    let after = again.until(h, "running", |one| one.phase == Phase::Running).await;
    assert_eq!((after.pid, after.restarts), (before.pid, 0));
    assert_eq!(after.isolation, before.isolation);
    h.finish(&spec.id).await;
}

async fn stays_ready(h: &Harness) {
    let port = h.port().await;
    let mut spec = h.spec("ready", &[Act::Serve(port, "well".into())], port);
    spec.readiness = tow_record::Probe::Tcp { port };
    h.start(&spec).await;
    let before = h.ready(&spec.id).await;
    let again = h.reopened(&spec.id);
    let after = again.until(h, "ready", |one| one.ready).await;
    assert_eq!(after.ready_since, before.ready_since, "ready without a break");
    h.finish(&spec.id).await;
}

async fn ended_meanwhile(h: &Harness) {
    let spec = h.job("meanwhile", &[Act::Wait(300), Act::Exit(6)]).await;
    h.start(&spec).await;
    let again = h.reopened(&spec.id);
    let ended = again.until(h, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 6 }));
    h.remove(&spec.id).await;
}

async fn start_again(h: &Harness) {
    let spec = h.made("start-again", &[say("here")]).await;
    let before = h.running(&spec).await;
    h.said(&spec.id, "here").await;
    let again = h.reopened(&spec.id);
    again.runtime.start(EPOCH, &spec).await.expect("start");
    h.pass(200).await;
    let after = again.until(h, "running", |one| one.phase == Phase::Running).await;
    assert_eq!((after.pid, after.restarts), (before.pid, 0));
    assert_eq!(h.own(&spec.id).await, ["here"]);
    h.finish(&spec.id).await;
}

async fn stopped(h: &Harness) {
    let spec = h.made("stopped", &[]).await;
    h.running(&spec).await;
    let again = h.reopened(&spec.id);
    again.runtime.stop(EPOCH, &spec.id, Duration::from_secs(5)).await.expect("stop");
    again.until(h, "ended", |one| one.phase == Phase::Exited).await;
    again.runtime.remove(EPOCH, &spec.id).await.expect("remove");
    assert_eq!(h.look(&spec.id).await, None);
}

async fn was_stopping(h: &Harness) {
    let spec = h.made("stopping", &[Act::IgnoreTerm, say("deaf")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "deaf").await;
    h.stop(&spec.id, 700).await;
    let again = h.reopened(&spec.id);
    again.until(h, "ended", |one| one.phase == Phase::Exited).await;
    h.remove(&spec.id).await;
}

async fn log(h: &Harness) {
    let spec = h.made("log", &[say("before"), Act::Wait(300), say("after")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "before").await;
    let again = h.reopened(&spec.id);
    h.said(&spec.id, "after").await;
    let lines = again.runtime.logs(&spec.id, LogQuery::default()).await.expect("a log");
    let texts: Vec<_> = lines.map(|line| line.text).collect().await;
    assert_eq!(texts.iter().filter(|text| *text == "before" || *text == "after").count(), 2);
    h.finish(&spec.id).await;
}

async fn epochs(h: &Harness) {
    let spec = h.made("epochs", &[]).await;
    h.running(&spec).await;
    let again = h.reopened(&spec.id);
    let late = again.runtime.stop(EPOCH - 1, &spec.id, Duration::ZERO).await;
    assert_eq!(late, Err(PortError::Fenced { given: EPOCH - 1, seen: EPOCH }));
    h.finish(&spec.id).await;
}

async fn restarts(h: &Harness) {
    let spec = h.made("restarts", &[Act::Wait(100), Act::Exit(1)]).await;
    h.start(&spec).await;
    let again = h.reopened(&spec.id);
    again.until(h, "restarted", |one| one.restarts >= 2).await;
    h.finish(&spec.id).await;
}

async fn exec(h: &Harness) {
    let spec = h.made("exec", &[]).await;
    h.running(&spec).await;
    let again = h.reopened(&spec.id);
    again.until(h, "running", |one| one.phase == Phase::Running).await;
    let argv = (h.command)(&[say("hello")]);
    let command = ExecSpec { argv, ..ExecSpec::default() };
    let session = again.runtime.exec(EPOCH, &spec.id, command).await;
    drop(session.unwrap_or_else(|error| panic!("exec: {error}")));
    h.finish(&spec.id).await;
}
