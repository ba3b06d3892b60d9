//! Programs that mean harm to whoever watches them: shims that are stopped, pipes that are never let go of, trees that
//! can't be walked. Nobody else is held up, and nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod world;

use futures::StreamExt as _;
use std::os::unix::process::CommandExt as _;
use std::time::Duration as StdDuration;
use tow_names::{Duration, Id};
use tow_ports::{ExecOut, ExecSpec, Runtime as _};
use tow_record::{ExecProbe, Executes, Exit, Isolation, Phase, Probe};
use world::{EPOCH, World, alive, script, tow, until};

/// Longer than anything here may take, and much shorter than for ever.
const SOON: StdDuration = StdDuration::from_secs(20);

fn freeze(pid: u32) {
    let status =
        std::process::Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_shim_holds_nobody_up_and_is_replaced() {
    let world = World::new();
    let spec = script("stops-its-shim", "trap '' HUP; while :; do sleep 0.1; done");
    let pid = world.running(&spec).await.pid.unwrap();
    let shim = world.shim(&spec.id);
    freeze(shim);
    // Nobody asks anything of it: it is found all the same, and the program lives on.
    let again = world.adopted(&spec.id, 1).await;
    assert_eq!((again.pid, again.restarts), (Some(pid), 0));
    assert!(!alive(shim), "it is replaced");

    freeze(world.shim(&spec.id));
    let asked = world.runtime.stop(EPOCH, &spec.id, Duration::from_millis(500));
    tokio::time::timeout(SOON, asked).await.expect("a stop is no wait for ever").unwrap();
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    until("the program is gone", || !alive(pid)).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_stopped_though_a_shim_is_frozen() {
    let world = World::new();
    let spec = script("frozen", "exec sleep 1000");
    let pid = world.running(&spec).await.pid.unwrap();
    freeze(world.shim(&spec.id));
    let (dir, tow) = (world.instances(), tow());
    let down = tow_runtime_process::stop_everything(&dir, &tow, Duration::from_millis(500));
    let stopped = tokio::time::timeout(SOON, down).await.expect("it comes to an end").unwrap();
    assert_eq!(stopped, [spec.id]);
    assert!(!alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_leaves_its_pipe_open_stops_nobody() {
    let world = World::new();
    let mut spec = script("leaves-a-pipe", "exec sleep 1000");
    spec.setting.isolation = Isolation::Sandbox;
    let kind = serde_json::from_str(r#"{"type":"process","isolation":"sandbox"}"#).unwrap();
    let executes = Executes { spec: kind, ..Executes::default() };
    if let Some(why) = world.runtime.facts(&executes).await.unwrap().unavailable {
        println!("not run: no sandbox here: {why}");
        return;
    }
    let argv = ["sh", "-c", "setsid sleep 9999 & sleep 0.2; exit 0"].map(String::from).to_vec();
    spec.setting.runtime = executes;
    spec.readiness = Probe::Exec(ExecProbe { argv });
    spec.interval = Duration::from_millis(500);
    world.runtime.start(EPOCH, &spec).await.unwrap();
    world.until(&spec.id, "ready", |one| one.ready).await;
    let asked = world.runtime.stop(EPOCH, &spec.id, Duration::from_millis(200));
    tokio::time::timeout(SOON, asked).await.expect("its shim answers").unwrap();
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_slowly_gets_all_of_a_commands_output() {
    const ALL: usize = 20_000_000;
    let world = World::new();
    let spec = script("talks", "exec sleep 1000");
    world.running(&spec).await;
    let argv = ["head", "-c", "20000000", "/dev/zero"].map(String::from).to_vec();
    let exec = ExecSpec { argv, env: Default::default(), tty: None };
    let mut session = world.runtime.exec(EPOCH, &spec.id, exec).await.unwrap();
    let mut read = 0;
    let mut exit = None;
    while let Some(out) = session.output.next().await {
        match out.unwrap() {
            ExecOut::Out(bytes) => read += bytes.len(),
            ExecOut::Err(bytes) => panic!("{}", String::from_utf8_lossy(&bytes)),
            ExecOut::Ended(how) => exit = Some(how),
        }
        // The last of it is on its way while the command has ended.
        if read > ALL - 350_000 {
            tokio::time::sleep(StdDuration::from_millis(200)).await;
        }
    }
    assert_eq!((read, exit), (ALL, Some(Exit::Code { code: 0 })), "nothing is cut off in silence");
    world.end(&spec.id).await;
}
