//! A program that is handed sockets is replaced while it runs: who takes its place, and that a stop ends all of them. The
//! programs are shells and this very test, which says that it is ready (sd_notify).

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod world;

use std::path::Path;
use tow_names::Duration;
use tow_ports::Runtime as _;
use tow_record::{Backoff, InstanceSpec, Phase, Program, Restart};
use world::{EPOCH, World, alive, kill, script, until};

const GRACE: Duration = Duration::from_secs(2);

fn shell(spec: &mut InstanceSpec, text: &str) {
    spec.program = Program::Command { argv: ["sh", "-c", text].map(Into::into).into() };
}

/// What becomes a program that says it is ready.
fn ready() -> String {
    let own = std::env::current_exe().unwrap();
    format!("exec '{}' --ignored --exact says_that_it_is_ready", own.display())
}

fn listening(id: &str, text: &str) -> InstanceSpec {
    InstanceSpec { listen: vec!["127.0.0.1:0".into()], ..script(id, text) }
}

/// The pid that a program wrote of itself.
async fn pid(file: &Path) -> u32 {
    until("it wrote its pid", || std::fs::read(file).is_ok_and(|pid| pid.ends_with(b"\n"))).await;
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn what_is_ready_takes_the_place_and_the_other_ends() {
    let world = World::new();
    let mut spec = listening("i-place", "exec sleep 1000");
    let first = world.running(&spec).await;
    shell(&mut spec, &ready());
    world.runtime.renew(EPOCH, &spec).await.unwrap();
    let second = world.until(&spec.id, "another", |one| one.pid != first.pid).await;
    assert_eq!((second.phase, second.restarts), (Phase::Running, 0), "{second:?}");
    assert_eq!(second.listening, first.listening);
    until("the first ends", || !alive(first.pid.unwrap())).await;
    // The same again is nothing.
    world.runtime.renew(EPOCH, &spec).await.unwrap();
    assert_eq!(world.look(&spec.id).await.unwrap().pid, second.pid);
    world.runtime.stop(EPOCH, &spec.id, GRACE).await.unwrap();
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
}

#[tokio::test]
async fn one_that_ends_before_it_is_ready_changes_nothing() {
    let world = World::new();
    let mut spec = listening("i-spoilt", "exec sleep 1000");
    let first = world.running(&spec).await;
    shell(&mut spec, "exit 7");
    world.runtime.renew(EPOCH, &spec).await.unwrap();
    let said = |one: &tow_record::ObservedInstance| {
        one.message.contains("could not take its place: exited with code 7")
    };
    let seen = world.until(&spec.id, "told why", said).await;
    assert_eq!((seen.pid, seen.phase), (first.pid, Phase::Running));
    let why = world.runtime.renew(EPOCH, &spec).await.unwrap_err().to_string();
    assert!(why.contains("exited with code 7"), "not tried again at once: {why}");
}

#[tokio::test]
async fn what_is_stopped_while_another_comes_is_stopped() {
    let world = World::new();
    let mut spec = listening("i-stopped", "exec sleep 1000");
    let first = world.running(&spec).await;
    let (came, may) = (world.dir.path().join("came"), world.dir.path().join("may"));
    let waits = format!(
        "echo $$ > '{}'; while [ ! -e '{}' ]; do sleep 0.02; done; {}",
        came.display(),
        may.display(),
        ready()
    );
    shell(&mut spec, &waits);
    world.runtime.renew(EPOCH, &spec).await.unwrap();
    let coming = pid(&came).await;
    world.runtime.stop(EPOCH, &spec.id, GRACE).await.unwrap();
    until("the first ends", || !alive(first.pid.unwrap())).await;
    std::fs::write(&may, "").unwrap();
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert!(!alive(coming), "nobody took the place of what was stopped");
}

#[tokio::test]
async fn a_stop_between_two_starts_ends_those_that_left_their_place() {
    let world = World::new();
    let kept = world.dir.path().join("kept");
    let deaf =
        format!("trap '' TERM; echo $$ > '{}'; while :; do sleep 0.05; done", kept.display());
    let mut spec = listening("i-left", &deaf);
    spec.restart = Restart::Always(Backoff {
        first: Duration::from_secs(600),
        most: Duration::from_secs(600),
        reset_after: Duration::from_secs(600),
        crash_loop_after: 100,
    });
    world.running(&spec).await;
    let first = pid(&kept).await;
    let broken = world.dir.path().join("broken");
    shell(&mut spec, &format!("[ ! -e '{}' ] || exit 3; {}", broken.display(), ready()));
    world.runtime.renew(EPOCH, &spec).await.unwrap();
    let second = world.until(&spec.id, "another", |one| one.pid != Some(first)).await;
    std::fs::write(&broken, "").unwrap();
    kill(second.pid.unwrap());
    world.until(&spec.id, "between two starts", |one| one.phase == Phase::Backoff).await;
    assert!(alive(first), "it is deaf, and ends what it began");
    world.runtime.stop(EPOCH, &spec.id, GRACE).await.unwrap();
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert!(!alive(first), "nobody is left behind");
}

/// Not a test: a program that says it is ready, and runs.
#[test]
#[ignore = "a program that other tests start"]
#[expect(clippy::disallowed_methods, reason = "the convention of whoever is handed sockets")]
fn says_that_it_is_ready() {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    socket.send_to(b"READY=1\n", path).unwrap();
    loop {
        std::thread::park();
    }
}
