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

/// Ends with the reason, and is taken away with all it made.
async fn is_over(world: &World, id: &Id) {
    let ended = world.until(id, "ended by its bound", |one| one.phase == Phase::Exited).await;
    assert!(ended.message.contains("bound of 8 MiB"), "{}", ended.message);
    world.runtime.remove(EPOCH, id).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(world.instances()).unwrap().flatten().collect();
    let left: Vec<_> = left.iter().map(std::fs::DirEntry::file_name).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("trash")), "{left:?}");
    assert!(!world.folder(id).exists());
}

fn bounded(name: &str, text: &str) -> tow_record::InstanceSpec {
    let mut spec = script(name, text);
    spec.restart = tow_record::Restart::Never;
    spec.setting.bounds.disk = Some(8 << 20);
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_is_too_deep_to_be_walked_evades_no_bound() {
    let world = World::new();
    let deep = "exec perl -e 'my $n = \"d\" x 100; for (1..3000) { mkdir $n; chdir $n or die; } \
                for (1..16) { open(my $f, \">\", \"f$_\") or die; print $f \"x\" x 1000000; } \
                sleep 1000'";
    let spec = bounded("deep", deep);
    world.runtime.start(EPOCH, &spec).await.unwrap();
    is_over(&world, &spec.id).await;
}

/// Who is root passes through every folder: somebody else has to be the platform for this.
#[test]
fn a_closed_folder_evades_no_bound_and_is_taken_away() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "closed_folders", "--ignored", "--nocapture"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534).current_dir("/").env("TMPDIR", "/tmp");
    }
    match command.output() {
        Ok(done) => {
            let (out, err) =
                (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
        }
        Err(err) => println!("not run: nobody else can run this here: {err}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above, as somebody who is not root"]
async fn closed_folders() {
    let world = World::new();
    let closed = "mkdir -p closed/in; n=0; while [ $n -lt 16 ]; do head -c 1000000 /dev/zero > \
                  closed/in/f$n; n=$((n+1)); done; chmod 000 closed/in closed; exec sleep 1000";
    let spec = bounded("closed", closed);
    world.runtime.start(EPOCH, &spec).await.unwrap();
    is_over(&world, &spec.id).await;
}
