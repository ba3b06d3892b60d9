//! Starting: once, by the highest epoch, with what was given and nothing else.

use super::harness::{EPOCH, Harness, say};
use super::{Act, group};
use tow_names::{Duration, Id};
use tow_ports::PortError;
use tow_record::Phase;

group! { "life":
    "what is started runs, and has a process" => runs,
    "the same start again does nothing" => started_once,
    "what ended is never started again under its id" => ended_never_again,
    "a lower epoch is refused, and changes nothing" => refuses_lower_epochs,
    "a higher epoch takes over" => higher_epoch,
    "stop and remove of what was never there are no errors" => nothing_is_no_error,
    "stop and remove may be said again" => again_and_again,
    "nothing that runs is removed" => removes_nothing_that_runs,
    "nothing is observed before the first start" => nothing_at_first,
    "two instances run side by side" => side_by_side,
    "it shows how far it is kept from the others" => isolation,
    "its environment is what it was given" => environment,
    "nothing of the platform's environment is in it" => nothing_leaks,
    "it serves on the port that it was given" => serves,
    "ports that are given are free, and apart" => ports,
    "sockets that were bound for it are handed on, and outlive it" [HandedSockets] => sockets,
}

async fn runs(h: &Harness) {
    let spec = h.made("runs", &[say("here")]).await;
    let seen = h.running(&spec).await;
    assert!(seen.pid.is_some() && seen.exit.is_none(), "{seen:?}");
    h.said(&spec.id, "here").await;
    h.finish(&spec.id).await;
}

async fn started_once(h: &Harness) {
    let spec = h.made("once", &[say("here")]).await;
    let first = h.running(&spec).await;
    h.start(&spec).await;
    h.pass(100).await;
    let second = h.look(&spec.id).await.expect("it is there");
    assert_eq!((first.pid, second.restarts), (second.pid, 0), "one start per id");
    h.said(&spec.id, "here").await;
    assert_eq!(h.own(&spec.id).await, ["here"]);
    h.finish(&spec.id).await;
}

async fn ended_never_again(h: &Harness) {
    let spec = h.job("ended", &[say("here"), Act::Exit(0)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    h.start(&spec).await;
    h.pass(200).await;
    let still = h.look(&spec.id).await.expect("it is there until removed");
    assert_eq!((still.phase, still.restarts), (Phase::Exited, 0));
    assert_eq!(h.own(&spec.id).await, ["here"]);
    h.remove(&spec.id).await;
}

async fn refuses_lower_epochs(h: &Harness) {
    let spec = h.made("fenced", &[]).await;
    h.running(&spec).await;
    let other = h.made("late", &[]).await;
    let fenced = PortError::Fenced { given: EPOCH - 1, seen: EPOCH };
    let grace = Duration::ZERO;
    assert_eq!(h.runtime.start(EPOCH - 1, &other).await, Err(fenced.clone()));
    assert_eq!(h.runtime.stop(EPOCH - 1, &spec.id, grace).await, Err(fenced.clone()));
    assert_eq!(h.runtime.remove(EPOCH - 1, &spec.id).await, Err(fenced));
    assert_eq!(h.look(&other.id).await, None, "a refused start leaves nothing");
    // Nor is anything of it kept: whoever is in charge may mean another thing by the same name.
    let mut meant = h.made("late", &[say("meant")]).await;
    meant.id = other.id;
    h.running(&meant).await;
    h.said(&meant.id, "meant").await;
    h.finish(&meant.id).await;
    h.until(&spec.id, "untouched", |one| one.phase == Phase::Running).await;
    h.finish(&spec.id).await;
}

async fn higher_epoch(h: &Harness) {
    let spec = h.made("taken-over", &[]).await;
    h.running(&spec).await;
    h.runtime.stop(EPOCH + 2, &spec.id, Duration::from_secs(5)).await.expect("stop");
    h.ended(&spec.id).await;
    let fenced = PortError::Fenced { given: EPOCH, seen: EPOCH + 2 };
    assert_eq!(h.runtime.remove(EPOCH, &spec.id).await, Err(fenced));
    h.runtime.remove(EPOCH + 2, &spec.id).await.expect("remove");
}

async fn nothing_is_no_error(h: &Harness) {
    let nobody = Id::fresh("nobody");
    h.stop(&nobody, 0).await;
    h.remove(&nobody).await;
}

async fn again_and_again(h: &Harness) {
    let spec = h.made("twice", &[]).await;
    h.running(&spec).await;
    h.stop(&spec.id, 5000).await;
    h.stop(&spec.id, 5000).await;
    h.until(&spec.id, "ended", |one| one.phase == Phase::Exited && one.pid.is_none()).await;
    h.stop(&spec.id, 0).await;
    h.remove(&spec.id).await;
    h.remove(&spec.id).await;
}

async fn removes_nothing_that_runs(h: &Harness) {
    let spec = h.made("kept", &[]).await;
    h.running(&spec).await;
    let refused = h.runtime.remove(EPOCH, &spec.id).await;
    assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    h.until(&spec.id, "still running", |one| one.phase == Phase::Running).await;
    h.finish(&spec.id).await;
}

async fn nothing_at_first(h: &Harness) {
    assert_eq!(h.runtime.observe().await, Ok(Vec::new()));
    assert!(!h.runtime.node().is_empty());
}

async fn side_by_side(h: &Harness) {
    let ports = h.runtime.free_ports(2, &[]).await.expect("ports");
    let (one, two) =
        (h.spec("one", &[say("one")], ports[0]), h.spec("two", &[say("two")], ports[1]));
    let (first, second) = (h.running(&one).await, h.running(&two).await);
    assert_ne!(first.pid, second.pid);
    h.said(&one.id, "one").await;
    h.said(&two.id, "two").await;
    h.finish(&one.id).await;
    let still = h.look(&two.id).await.expect("the other is there");
    assert_eq!((still.phase, still.pid, still.restarts), (Phase::Running, second.pid, 0));
    h.finish(&two.id).await;
}

async fn isolation(h: &Harness) {
    let spec = h.made("isolation", &[]).await;
    assert_eq!(h.running(&spec).await.isolation, h.executes.isolation());
    h.finish(&spec.id).await;
}

async fn environment(h: &Harness) {
    let mut spec = h.made("environment", &[Act::Variable("GREETING".into())]).await;
    spec.env.insert("GREETING".into(), "salut, ça va? $HOME".into());
    h.running(&spec).await;
    h.said(&spec.id, "GREETING: salut, ça va? $HOME").await;
    h.finish(&spec.id).await;
}

async fn nothing_leaks(h: &Harness) {
    // Whoever runs this suite has these.
    let acts = [Act::Variable("CARGO_MANIFEST_DIR".into()), Act::Variable("TOW_TOKEN".into())];
    let spec = h.made("leak", &acts).await;
    h.running(&spec).await;
    let lines = h.lines(&spec.id, 2).await;
    assert_eq!(lines, ["CARGO_MANIFEST_DIR: not set", "TOW_TOKEN: not set"]);
    h.finish(&spec.id).await;
}

async fn serves(h: &Harness) {
    let port = h.port().await;
    let spec = h.spec("serves", &[Act::Serve(port, "hello".into())], port);
    h.running(&spec).await;
    h.reached(port, Some("hello")).await;
    h.finish(&spec.id).await;
    h.reached(port, None).await;
}

async fn ports(h: &Harness) {
    let first = h.runtime.free_ports(5, &[]).await.expect("ports");
    let second = h.runtime.free_ports(5, &first).await.expect("ports");
    let mut all: Vec<u16> = first.into_iter().chain(second).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 10, "{all:?}");
    assert!(!all.contains(&0));
}

async fn sockets(h: &Harness) {
    let mut spec = h.made("sockets", &[Act::Wait(100), Act::Exit(1)]).await;
    spec.listen = vec!["127.0.0.1:0".into()];
    h.start(&spec).await;
    let first = h.until(&spec.id, "bound", |one| one.listening.len() == 1).await;
    assert!(!first.listening[0].ends_with(":0"), "{first:?}");
    let again = h.until(&spec.id, "started again", |one| one.restarts >= 1).await;
    assert_eq!(again.listening, first.listening, "the sockets outlive the program");
    h.finish(&spec.id).await;
}
