//! Ending: how it ended is told, nobody of it stays, and it is started again as it should be.

use super::harness::{Harness, say};
use super::{Act, group};
use tow_names::Duration;
use tow_record::{Exit, Phase, Restart};

group! { "death":
    "its exit code is told" => code,
    "the signal that ended it is told" => signal,
    "a program that is not there is told by its name" => missing,
    "it is started again when it ends" => restarts,
    "it is started again when it ends well, too" => restarts_well,
    "one that ends again and again is a crash loop, and still tried" => loops,
    "it waits longer from restart to restart" => backs_off,
    "what was stopped stays so" => stays_stopped,
    "what was stopped between two starts stays so" => stopped_between,
    "SIGTERM leaves it the time to say goodbye" => goodbye,
    "what has no say about SIGTERM ends by it" => by_default,
    "what heeds no SIGTERM is killed after its grace" => killed_after_grace,
    "a second stop with less grace makes haste" => haste,
    "what it started ends with it" => children,
    "what it started ends with it, heeding no SIGTERM and in no group" => stubborn_children,
    "what it left behind when it ended by itself ends, too" => left_behind,
    "an ended one has no process and is not ready" => no_process,
}

async fn code(h: &Harness) {
    let spec = h.job("code", &[Act::Exit(3)]).await;
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 3 }));
    assert!(ended.message.contains('3'), "{ended:?}");
    h.remove(&spec.id).await;
}

/// A signal; or what whoever stands above the program makes of it.
pub(super) fn by_signal(exit: Option<Exit>, number: i32) -> bool {
    exit == Some(Exit::Signal { signal: number }) || exit == Some(Exit::Code { code: 128 + number })
}

async fn signal(h: &Harness) {
    let spec = h.job("signal", &[Act::Die(9)]).await;
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert!(by_signal(ended.exit, 9), "{ended:?}");
    h.remove(&spec.id).await;
}

async fn missing(h: &Harness) {
    let mut spec = h.job("missing", &[]).await;
    let argv = vec!["./no-such-program".to_string()];
    spec.program = match spec.program {
        super::Program::Image { image, .. } => {
            super::Program::Image { image, command: Some(argv), args: None }
        }
        _ => super::Program::Command { argv },
    };
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!(ended.exit, Some(Exit::NotStarted), "{ended:?}");
    assert!(ended.message.contains("no-such-program"), "{ended:?}");
    h.remove(&spec.id).await;
}

async fn restarts(h: &Harness) {
    let spec = h.made("restarts", &[say("here"), Act::Wait(30), Act::Exit(7)]).await;
    h.start(&spec).await;
    let again = h.until(&spec.id, "restarted", |one| one.restarts >= 1).await;
    assert_eq!(again.exit, Some(Exit::Code { code: 7 }));
    assert!(h.lines(&spec.id, 2).await.iter().all(|line| line == "here"));
    h.finish(&spec.id).await;
}

async fn restarts_well(h: &Harness) {
    let spec = h.made("well", &[Act::Wait(30), Act::Exit(0)]).await;
    h.start(&spec).await;
    let again = h.until(&spec.id, "restarted", |one| one.restarts >= 1).await;
    assert_eq!(again.exit, Some(Exit::Code { code: 0 }));
    h.finish(&spec.id).await;
}

async fn loops(h: &Harness) {
    let spec = h.made("loop", &[Act::Exit(1)]).await;
    h.start(&spec).await;
    let looping = h.until(&spec.id, "a crash loop", |one| one.phase == Phase::CrashLoop).await;
    assert_eq!(looping.exit, Some(Exit::Code { code: 1 }));
    assert!(looping.restarts >= 3, "{looping:?}");
    let more = looping.restarts + 1;
    h.until(&spec.id, "still tried", |one| one.restarts >= more).await;
    h.finish(&spec.id).await;
}

async fn backs_off(h: &Harness) {
    let mut spec = h.made("backoff", &[Act::Exit(1)]).await;
    if let Restart::Always(backoff) = &mut spec.restart {
        backoff.first = Duration::from_millis(200);
        backoff.most = Duration::from_secs(3600);
    }
    h.start(&spec).await;
    h.until(&spec.id, "twice restarted", |one| one.restarts >= 2).await;
    let log = h.log(&spec.id).await;
    let ends: Vec<_> = log.iter().filter(|line| line.text.contains("code 1")).collect();
    // The wait doubles, whatever a start takes.
    let waited = |n: usize| ends.get(n + 1).map(|next| next.at.since(ends[n].at));
    assert!(waited(0) >= Some(Duration::from_millis(200)), "{log:#?}");
    assert!(waited(1).is_none_or(|second| second >= Duration::from_millis(400)), "{log:#?}");
    h.finish(&spec.id).await;
}

async fn stays_stopped(h: &Harness) {
    let spec = h.made("stopped", &[]).await;
    h.running(&spec).await;
    h.stop(&spec.id, 5000).await;
    h.ended(&spec.id).await;
    h.pass(300).await;
    let later = h.look(&spec.id).await.expect("it is there until removed");
    assert_eq!((later.phase, later.restarts), (Phase::Exited, 0));
    h.remove(&spec.id).await;
}

async fn stopped_between(h: &Harness) {
    let mut spec = h.made("between", &[Act::Exit(1)]).await;
    if let Restart::Always(backoff) = &mut spec.restart {
        backoff.first = Duration::from_secs(3600);
        backoff.most = Duration::from_secs(3600);
    }
    h.start(&spec).await;
    h.until(&spec.id, "waiting", |one| matches!(one.phase, Phase::Backoff | Phase::CrashLoop))
        .await;
    h.stop(&spec.id, 5000).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!(ended.restarts, 0);
    h.remove(&spec.id).await;
}

async fn goodbye(h: &Harness) {
    let spec = h.made("goodbye", &[Act::Bye(200, "bye".into()), say("here")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "here").await;
    h.stop(&spec.id, 20_000).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 0 }), "{ended:?}");
    // A shell may complain of its child in between.
    let own = h.own(&spec.id).await;
    let ends = (own.first().map(String::as_str), own.last().map(String::as_str));
    assert_eq!(ends, (Some("here"), Some("bye")), "{own:?}");
    h.remove(&spec.id).await;
}

async fn by_default(h: &Harness) {
    let spec = h.made("default", &[Act::DefaultTerm, say("here")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "here").await;
    h.stop(&spec.id, 20_000).await;
    let ended = h.ended(&spec.id).await;
    assert!(by_signal(ended.exit, 15), "{ended:?}");
    h.remove(&spec.id).await;
}

async fn killed_after_grace(h: &Harness) {
    let spec = h.made("stubborn", &[Act::IgnoreTerm, say("deaf")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "deaf").await;
    h.stop(&spec.id, 300).await;
    let ended = h.ended(&spec.id).await;
    assert!(by_signal(ended.exit, 9), "{ended:?}");
    h.remove(&spec.id).await;
}

async fn haste(h: &Harness) {
    let spec = h.made("haste", &[Act::IgnoreTerm, say("deaf")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "deaf").await;
    h.stop(&spec.id, 3_600_000).await;
    h.until(&spec.id, "stopping", |one| one.phase == Phase::Stopping).await;
    h.stop(&spec.id, 100).await;
    let ended = h.ended(&spec.id).await;
    assert!(by_signal(ended.exit, 9), "{ended:?}");
    h.remove(&spec.id).await;
}

async fn children(h: &Harness) {
    let port = h.port().await;
    let spec = h.spec("children", &[Act::Serve(port, "child".into())], port);
    h.running(&spec).await;
    h.reached(port, Some("child")).await;
    h.stop(&spec.id, 5000).await;
    h.ended(&spec.id).await;
    assert_eq!((h.reach)(port).await, None, "ended, and a child still answers");
    h.remove(&spec.id).await;
}

async fn stubborn_children(h: &Harness) {
    let port = h.port().await;
    let spec = h.spec("stubborn-children", &[Act::StubbornServe(port, "child".into())], port);
    h.running(&spec).await;
    h.reached(port, Some("child")).await;
    h.stop(&spec.id, 500).await;
    h.ended(&spec.id).await;
    assert_eq!((h.reach)(port).await, None, "ended, and a child still answers");
    h.remove(&spec.id).await;
}

async fn left_behind(h: &Harness) {
    let port = h.port().await;
    let acts = [Act::Serve(port, "child".into()), Act::Wait(1500), Act::Exit(0)];
    let mut spec = h.spec("left-behind", &acts, port);
    spec.restart = Restart::Never;
    h.start(&spec).await;
    h.reached(port, Some("child")).await;
    h.ended(&spec.id).await;
    assert_eq!((h.reach)(port).await, None, "ended, and a child still answers");
    h.remove(&spec.id).await;
}

async fn no_process(h: &Harness) {
    let spec = h.job("gone", &[Act::Wait(100), Act::Exit(0)]).await;
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    assert_eq!((ended.pid, ended.ready, ended.ready_since), (None, false, None));
    assert!(!ended.may_run());
    h.remove(&spec.id).await;
}
