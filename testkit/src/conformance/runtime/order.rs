//! What comes before what; and what the containers of one pod share.

use super::harness::{EPOCH, Harness, say};
use super::{Act, group};
use std::collections::BTreeMap;
use tow_names::Duration;
use tow_record::{InstanceSpec, Phase, Probe};

group! { "order":
    "a start is accepted before it is healthy" => accepted,
    "a stop is accepted before it has ended" => stop_accepted,
    "there is a hint at what changed, however late it is asked for" => hints,
    "the word that it was started comes before its first line" => started_first,
    "the word how it ended comes after its last line" => ended_last,
    "a program may bind the port that it always binds" [OwnNetwork] => fixed_port,
    "two pods may bind the same port" [OwnNetwork] => same_port,
    "containers of one pod reach each other at 127.0.0.1" [OwnNetwork, PodNetwork] => one_pod,
    "containers of another pod are not at 127.0.0.1" [OwnNetwork] => other_pod,
    "probes find a port that is another one inside" [OwnNetwork] => probes_inside,
}

async fn accepted(h: &Harness) {
    let mut spec = h.made("accepted", &[]).await;
    spec.readiness = Probe::Tcp { port: spec.ports[0] };
    h.start(&spec).await;
    assert!(!h.look(&spec.id).await.expect("it is there at once").ready);
    h.finish(&spec.id).await;
}

async fn stop_accepted(h: &Harness) {
    let spec = h.made("slow-stop", &[Act::IgnoreTerm, say("deaf")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "deaf").await;
    h.stop(&spec.id, 600_000).await;
    let stopping = h.until(&spec.id, "stopping", |one| one.phase == Phase::Stopping).await;
    assert!(stopping.may_run() && !stopping.ready, "{stopping:?}");
    h.finish(&spec.id).await;
}

async fn hints(h: &Harness) {
    let spec = h.made("hint", &[]).await;
    h.start(&spec).await;
    h.runtime.changed().await;
    h.finish(&spec.id).await;
    h.runtime.changed().await;
}

async fn started_first(h: &Harness) {
    let spec = h.made("started-first", &[say("first")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "first").await;
    let log = h.log(&spec.id).await;
    let at = |text: &str| log.iter().position(|line| line.text.starts_with(text));
    assert!(at("started") < at("first") && at("started").is_some(), "{log:#?}");
    h.finish(&spec.id).await;
}

async fn ended_last(h: &Harness) {
    let acts: Vec<Act> = (0..50).map(|n| say(&format!("line {n}"))).chain([Act::Exit(4)]).collect();
    let spec = h.job("ended-last", &acts).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    let log = h.log(&spec.id).await;
    let at = |text: &str| log.iter().position(|line| line.text.contains(text));
    assert!(at("line 49") < at("code 4") && at("line 49").is_some(), "{log:#?}");
    h.remove(&spec.id).await;
}

/// Its port is 8080 inside.
fn inside(mut spec: InstanceSpec, pod: &str) -> InstanceSpec {
    spec.setting.inside = BTreeMap::from([(spec.ports[0], 8080)]);
    spec.setting.pod = format!("default/{pod}@development/{pod}/0/r");
    spec
}

async fn fixed_port(h: &Harness) {
    let spec = inside(h.made("fixed", &[Act::Serve(8080, "fixed".into())]).await, "fixed");
    h.running(&spec).await;
    h.reached(spec.ports[0], Some("fixed")).await;
    h.finish(&spec.id).await;
    h.reached(spec.ports[0], None).await;
}

async fn same_port(h: &Harness) {
    let ports = h.runtime.free_ports(2, &[]).await.expect("ports");
    let one = h.spec("pod-one", &[Act::Serve(8080, "one".into())], ports[0]);
    let two = h.spec("pod-two", &[Act::Serve(8080, "two".into())], ports[1]);
    let (one, two) = (inside(one, "pod-one"), inside(two, "pod-two"));
    h.running(&one).await;
    h.running(&two).await;
    h.reached(ports[0], Some("one")).await;
    h.reached(ports[1], Some("two")).await;
    h.finish(&one.id).await;
    h.reached(ports[1], Some("two")).await;
    h.finish(&two.id).await;
}

/// Asks until it is answered.
fn asks(text: &str) -> Vec<Act> {
    let once = [Act::Get(8080), Act::Wait(200)];
    std::iter::repeat_n(once, 20).flatten().chain([say(text)]).collect()
}

async fn one_pod(h: &Harness) {
    let ports = h.runtime.free_ports(2, &[]).await.expect("ports");
    let one = h.spec("server", &[Act::Serve(8080, "beside".into())], ports[0]);
    let mut one = inside(one, "shared");
    one.setting.several = true;
    let mut two = h.spec("asker", &asks("done"), ports[1]);
    two.setting.inside = BTreeMap::from([(ports[1], 9090)]);
    two.setting.pod = one.setting.pod.clone();
    two.setting.several = true;
    h.running(&one).await;
    h.running(&two).await;
    h.said(&two.id, "got beside").await;
    h.finish(&two.id).await;
    h.finish(&one.id).await;
}

async fn other_pod(h: &Harness) {
    let ports = h.runtime.free_ports(2, &[]).await.expect("ports");
    let one = h.spec("neighbour", &[Act::Serve(8080, "neighbour".into())], ports[0]);
    let one = inside(one, "neighbour");
    h.running(&one).await;
    h.reached(ports[0], Some("neighbour")).await;
    let mut two = h.spec("stranger", &[Act::Get(8080), say("done")], ports[1]);
    two.setting.inside = BTreeMap::from([(ports[1], 9090)]);
    two.setting.pod = "default/stranger@development/stranger/0/r".into();
    h.running(&two).await;
    h.said(&two.id, "done").await;
    assert_eq!(h.own(&two.id).await, ["got nothing", "done"]);
    h.finish(&two.id).await;
    h.finish(&one.id).await;
}

async fn probes_inside(h: &Harness) {
    let mut spec = inside(h.made("probed", &[Act::Serve(8080, "well".into())]).await, "probed");
    spec.readiness = Probe::Tcp { port: spec.ports[0] };
    h.runtime.start(EPOCH, &spec).await.expect("start");
    h.ready(&spec.id).await;
    h.runtime.stop(EPOCH, &spec.id, Duration::from_millis(200)).await.expect("stop");
    h.ended(&spec.id).await;
    h.remove(&spec.id).await;
}
