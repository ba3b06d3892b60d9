//! What an instance may use: more is stopped and said, and nobody else suffers.

use super::harness::{Harness, path, say};
use super::{Act, group};
use tow_record::{Bounds, InstanceSpec, ObservedInstance, Phase};

group! { "limits":
    "below its limit of memory it is left alone" [MemoryLimit] => little_memory,
    "above its limit of memory it is ended, and the reason is said" [MemoryLimit] => much_memory,
    "what its children use counts" [MemoryLimit] => children_count,
    "it is started again after that" [MemoryLimit] => again,
    "nobody else is ended for that" [MemoryLimit] => others,
    "with a limit of processor time it runs" [CpuLimit] => cpu,
    "below its limit of processes it is left alone" [ProcessLimit] => few_processes,
    "above its limit of processes it gets no more" [ProcessLimit] => many_processes,
    "below its limit of files it is left alone" [DiskLimit] => small_file,
    "above its limit of files it is stopped" [DiskLimit] => large_file,
}

const MEMORY: u64 = 96 << 20;

async fn bounded(h: &Harness, name: &str, bounds: Bounds, acts: &[Act]) -> InstanceSpec {
    let mut spec = h.job(name, acts).await;
    spec.setting.bounds = bounds;
    spec
}

fn memory() -> Bounds {
    Bounds { memory: Some(MEMORY), ..Bounds::default() }
}

async fn little_memory(h: &Harness) {
    let spec = bounded(h, "little", memory(), &[Act::Eat(8), say("done")]).await;
    h.running(&spec).await;
    h.said(&spec.id, "done").await;
    h.pass(500).await;
    let seen = h.look(&spec.id).await.expect("it is there");
    assert_eq!(seen.phase, Phase::Running, "{seen:?}");
    h.finish(&spec.id).await;
}

/// It ended, and says that memory was why.
async fn starved(h: &Harness, spec: &InstanceSpec) -> ObservedInstance {
    let ended = h.ended(&spec.id).await;
    let log = h.log(&spec.id).await;
    let said = ended.message.contains("memory") || log.iter().any(|l| l.text.contains("memory"));
    assert!(said, "nobody says why: {ended:?} {log:#?}");
    ended
}

async fn much_memory(h: &Harness) {
    let spec = bounded(h, "much", memory(), &[Act::Eat(400), say("survived")]).await;
    h.start(&spec).await;
    let ended = starved(h, &spec).await;
    assert_ne!(ended.exit, Some(tow_record::Exit::Code { code: 0 }), "{ended:?}");
    assert!(!h.own(&spec.id).await.contains(&"survived".to_string()));
    h.remove(&spec.id).await;
}

async fn children_count(h: &Harness) {
    // A shell's `$(…)` is held by the shell; what is piped is a child's.
    let spec = bounded(h, "children", memory(), &[Act::Wait(50), Act::Eat(300)]).await;
    h.start(&spec).await;
    starved(h, &spec).await;
    h.remove(&spec.id).await;
}

async fn again(h: &Harness) {
    let mut spec = h.made("again", &[say("here"), Act::Eat(400)]).await;
    spec.setting.bounds = memory();
    h.start(&spec).await;
    h.until(&spec.id, "started again", |one| one.restarts >= 1).await;
    h.finish(&spec.id).await;
}

async fn others(h: &Harness) {
    let bystander = h.made("bystander", &[say("here")]).await;
    let before = h.running(&bystander).await;
    let spec = bounded(h, "greedy", memory(), &[Act::Eat(400)]).await;
    h.start(&spec).await;
    starved(h, &spec).await;
    let after = h.look(&bystander.id).await.expect("it is there");
    assert_eq!((after.pid, after.restarts, after.phase), (before.pid, 0, Phase::Running));
    h.remove(&spec.id).await;
    h.finish(&bystander.id).await;
}

async fn cpu(h: &Harness) {
    let bounds = Bounds { cpu_millis: Some(200), ..Bounds::default() };
    let spec = bounded(h, "cpu", bounds, &[say("here"), Act::Exit(0)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    assert_eq!(h.own(&spec.id).await, ["here"]);
    h.remove(&spec.id).await;
}

async fn few_processes(h: &Harness) {
    let bounds = Bounds { processes: Some(64), ..Bounds::default() };
    let spec = bounded(h, "few", bounds, &[Act::Fork(10)]).await;
    h.running(&spec).await;
    h.said(&spec.id, "forked").await;
    h.finish(&spec.id).await;
}

async fn many_processes(h: &Harness) {
    let bounds = Bounds { processes: Some(64), ..Bounds::default() };
    let spec = bounded(h, "many", bounds, &[Act::Fork(500), Act::Exit(0)]).await;
    h.start(&spec).await;
    h.ended(&spec.id).await;
    assert!(!h.own(&spec.id).await.contains(&"forked".to_string()), "all of them were started");
    h.remove(&spec.id).await;
}

fn disk() -> Bounds {
    Bounds { disk: Some(32 << 20), ..Bounds::default() }
}

async fn small_file(h: &Harness) {
    let file = path(h.scratch, "small");
    let spec = bounded(h, "small", disk(), &[Act::Fill(file, 4)]).await;
    h.running(&spec).await;
    h.said(&spec.id, "filled").await;
    h.finish(&spec.id).await;
}

async fn large_file(h: &Harness) {
    let file = path(h.scratch, "large");
    // The wait is for a watch that looks now and then.
    let acts = [Act::Fill(file, 96), Act::Wait(10_000), Act::Exit(0)];
    let spec = bounded(h, "large", disk(), &acts).await;
    h.start(&spec).await;
    let ended = h.ended(&spec.id).await;
    let refused = h.own(&spec.id).await.contains(&"filling: refused".to_string());
    let said = ended.message.contains("disk") || ended.message.contains("files");
    assert!(refused || said, "{ended:?}");
    h.remove(&spec.id).await;
}
