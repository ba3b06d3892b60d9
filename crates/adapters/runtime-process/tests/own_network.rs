//! Sandboxes with a network of their own: who reaches whom, and what is left when a part of it is killed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stderr, reason = "what is not run is said")]

mod world;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use tow_names::Duration;
use tow_ports::Runtime;
use tow_record::{Can, Executes, InstanceSpec, Isolation, Phase, Probe};
use world::*;

/// The port that every program of these tests listens on.
const FIXED: u16 = 18_080;

fn executes() -> Executes {
    let spec = serde_json::from_str(r#"{"type":"process","isolation":"sandbox"}"#).unwrap();
    Executes { spec, ..Executes::default() }
}

/// What can't be made here can't be tested, and it is said.
async fn can() -> bool {
    let facts = World::new().runtime.facts(&executes()).await.unwrap();
    let can = facts.unavailable.is_none() && facts.can(Can::OwnNetwork);
    if !can {
        eprintln!("not run: sandboxes with a network of their own: {:?}", facts.notes);
    }
    can
}

/// A script in a sandbox, with one port.
async fn own(world: &World, name: &str, text: &str) -> InstanceSpec {
    let mut spec = script(name, text);
    spec.setting.isolation = Isolation::Sandbox;
    spec.setting.runtime = executes();
    spec.ports = world.runtime.free_ports(1, &[]).await.unwrap();
    spec.setting.inside = BTreeMap::from([(spec.ports[0], FIXED)]);
    spec.readiness = Probe::Tcp { port: spec.ports[0] };
    spec
}

/// Serves one word on the fixed port.
fn serving(word: &str) -> String {
    format!("mkdir www; echo {word} > www/index.html; exec busybox httpd -f -p {FIXED} -h www")
}

/// The body of GET / on a port of the machine.
fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit("\r\n\r\n").next().unwrap_or_default().trim().to_string())
}

async fn reached(port: u16, word: &str) {
    until(word, || get(port).is_ok_and(|body| body == word)).await;
}

async fn ready(world: &World, spec: &InstanceSpec) -> u32 {
    world.runtime.start(EPOCH, spec).await.unwrap();
    world.until(&spec.id, "ready", |one| one.ready).await.pid.unwrap()
}

/// A service of the machine's loopback that answers with a word, for ever.
fn machine(word: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || serve(&listener, word));
    port
}

fn serve(listener: &TcpListener, word: &str) {
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        let _ = stream.read(&mut [0; 1024]);
        let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{word}\n");
    }
}

/// What leads out of an instance's network.
fn way_out(world: &World, spec: &InstanceSpec) -> Option<u32> {
    let text = std::fs::read_to_string(world.folder(&spec.id).join("state.json")).ok()?;
    let state: serde_json::Value = serde_json::from_str(&text).ok()?;
    state.get("network")?.get("pid")?.as_u64()?.try_into().ok()
}

#[tokio::test]
async fn two_programs_listen_on_one_port_and_nobody_else_reaches_it() {
    if !can().await {
        return;
    }
    let world = World::new();
    let one = own(&world, "one", &serving("one")).await;
    let mut two =
        own(&world, "two", &format!("busybox wget -q -O - $OTHER; {}", serving("two"))).await;
    two.env.insert("OTHER".into(), format!("http://127.0.0.1:{}/", one.ports[0]));
    ready(&world, &one).await;
    ready(&world, &two).await;
    reached(one.ports[0], "one").await;
    reached(two.ports[0], "two").await;
    assert!(get(FIXED).is_err(), "the machine has nobody on the port");
    // A neighbour in the machine's network, and one in its own.
    let asks = format!("busybox wget -q -O - http://127.0.0.1:{FIXED}/ || echo nobody");
    let mut neighbour = own(&world, "neighbour", &asks).await;
    neighbour.setting.inside = BTreeMap::new();
    neighbour.readiness = Probe::Alive;
    neighbour.restart = tow_record::Restart::Never;
    world.runtime.start(EPOCH, &neighbour).await.unwrap();
    world.until_log(&neighbour.id, "refused", |log| log.iter().any(|l| l.text == "nobody")).await;
    let asks =
        format!("{asks}; busybox wget -q -O - http://10.0.2.2:{FIXED}/ || echo nobody either");
    let mut stranger = own(&world, "stranger", &asks).await;
    stranger.setting.inside = BTreeMap::from([(stranger.ports[0], FIXED + 1)]);
    stranger.readiness = Probe::Alive;
    stranger.restart = tow_record::Restart::Never;
    world.runtime.start(EPOCH, &stranger).await.unwrap();
    world
        .until_log(&stranger.id, "refused", |log| log.iter().any(|l| l.text == "nobody either"))
        .await;
    // The port of the machine that its configuration names is there.
    world.until_log(&two.id, "asked", |log| log.iter().any(|line| line.text == "one")).await;
    world.end(&one.id).await;
    reached(two.ports[0], "two").await;
    assert!(get(one.ports[0]).is_err(), "its port of the machine is free again");
    world.end(&two.id).await;
}

#[tokio::test]
async fn it_finds_the_services_of_the_machine_that_its_configuration_names() {
    if !can().await {
        return;
    }
    let world = World::new();
    let there = machine("there");
    // Bound now and served later: a service that comes after the program.
    let late = TcpListener::bind("127.0.0.1:0").unwrap();
    let late_port = late.local_addr().unwrap().port();
    drop(late);
    let mut spec = own(
        &world,
        "configured",
        &format!(
            "busybox wget -q -O - $URL; until busybox wget -q -O - http://$LATE_HOST:$LATE_PORT/ \
             2>/dev/null; do sleep 0.1; done; cat conf; {}",
            serving("up")
        ),
    )
    .await;
    spec.env.insert("URL".into(), format!("http://localhost:{there}/"));
    spec.env.insert("LATE_HOST".into(), "127.0.0.1".into());
    spec.env.insert("LATE_PORT".into(), late_port.to_string());
    spec.files.insert("conf".into(), (b"own = 127.0.0.1:18080\n".to_vec(), 0o644));
    world.runtime.start(EPOCH, &spec).await.unwrap();
    world.until_log(&spec.id, "there", |log| log.iter().any(|l| l.text == "there")).await;
    let late = TcpListener::bind(("127.0.0.1", late_port)).unwrap();
    std::thread::spawn(move || serve(&late, "late"));
    world.until_log(&spec.id, "late", |log| log.iter().any(|l| l.text == "late")).await;
    reached(spec.ports[0], "up").await;
    world.end(&spec.id).await;
}

#[tokio::test]
async fn what_is_killed_of_it_comes_again_and_the_program_stays() {
    if !can().await {
        return;
    }
    let world = World::new();
    let there = machine("there");
    let mut spec = own(
        &world,
        "killed",
        &format!(
            "(while :; do timeout 2 busybox wget -q -O - $URL || echo nothing; sleep 0.2; done) & {}",
            serving("up")
        ),
    )
    .await;
    spec.env.insert("URL".into(), format!("http://127.0.0.1:{there}/"));
    let first = ready(&world, &spec).await;
    let said = |log: &[tow_record::LogLine], text: &str| {
        log.iter().filter(|line| line.text.contains(text)).count()
    };
    // The shim: what runs goes on running, and the new one knows all of it.
    let way = way_out(&world, &spec).unwrap();
    kill(world.shim(&spec.id));
    let adopted = world.adopted(&spec.id, 1).await;
    assert_eq!((adopted.pid, adopted.restarts), (Some(first), 0));
    assert!(alive(way), "the way out outlives the shim");
    reached(spec.ports[0], "up").await;
    // The way out, which is nobody's child now: noticed, and there again.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    kill(way);
    until("the way out is there again", || {
        way_out(&world, &spec).is_some_and(|now| now != way && alive(now))
    })
    .await;
    let log = world.log(&spec.id).await;
    let before = said(&log, "there");
    world.until_log(&spec.id, "out again", |log| said(log, "there") > before + 2).await;
    let seen = world.look(&spec.id).await.unwrap();
    assert_eq!((seen.pid, seen.restarts), (Some(first), 0), "the program knows nothing of it");
    // The first process carries what comes in: with it all ends, and all begins again.
    let way = way_out(&world, &spec).unwrap();
    kill(first);
    let again =
        world.until(&spec.id, "started again", |one| one.ready && one.pid != Some(first)).await;
    assert_eq!((again.restarts, again.phase), (1, Phase::Running));
    until("the old way out is gone", || !alive(way)).await;
    reached(spec.ports[0], "up").await;
    // All at once.
    let way = way_out(&world, &spec).unwrap();
    let shim = world.shim(&spec.id);
    for pid in [shim, way, again.pid.unwrap()] {
        kill(pid);
    }
    world.until(&spec.id, "back", |one| one.ready && one.pid != again.pid).await;
    reached(spec.ports[0], "up").await;
    let way = way_out(&world, &spec).unwrap();
    world.runtime.stop(EPOCH, &spec.id, Duration::from_secs(5)).await.unwrap();
    world.until(&spec.id, "ended", |one| !one.may_run()).await;
    until("nothing of it is left", || !alive(way)).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test]
async fn a_program_that_listens_elsewhere_is_not_ready_and_told_where_it_listens() {
    if !can().await {
        return;
    }
    let world = World::new();
    let mut spec =
        own(&world, "elsewhere", "mkdir www; exec busybox httpd -f -p 18081 -h www").await;
    let told = "it listens on another port";
    for probe in [Probe::Tcp { port: spec.ports[0] }, http(spec.ports[0])] {
        spec.id = tow_names::Id::fresh("elsewhere");
        spec.readiness = probe;
        world.runtime.start(EPOCH, &spec).await.unwrap();
        let wanted = format!(
            "nothing listens on port {FIXED}, which is {} of the machine; in its network there is 18081",
            spec.ports[0]
        );
        let seen = world
            .until(&spec.id, told, |one| {
                one.probe.as_ref().is_some_and(|probe| probe.what.contains(&wanted))
            })
            .await;
        assert!(!seen.ready, "{seen:?}");
        world.end(&spec.id).await;
    }
    // Low ports are as good as any.
    let mut low = own(&world, "low", &serving("low").replace("18080", "80")).await;
    low.setting.inside = BTreeMap::from([(low.ports[0], 80)]);
    ready(&world, &low).await;
    reached(low.ports[0], "low").await;
    world.end(&low.id).await;
}

fn http(port: u16) -> Probe {
    let path = "/".into();
    Probe::Http(tow_record::HttpProbe { port, path, host: None, headers: Vec::new() })
}

#[tokio::test]
async fn what_it_said_last_arrives_and_much_arrives_whole() {
    if !can().await {
        return;
    }
    let world = World::new();
    // One connection, 32 MB, and the program ends the moment it has written them.
    let text = format!("head -c 33554432 /dev/zero | busybox nc -l -p {FIXED}; exit 0");
    let mut spec = own(&world, "much", &text).await;
    spec.readiness = Probe::Alive;
    spec.restart = tow_record::Restart::Never;
    world.runtime.start(EPOCH, &spec).await.unwrap();
    world.until(&spec.id, "running", |one| one.phase == Phase::Running).await;
    let port = spec.ports[0];
    let read = tokio::task::spawn_blocking(move || {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut all = Vec::new();
            // Nobody listens yet where it is broken off before the first byte.
            match stream.read_to_end(&mut all) {
                Err(_) if all.is_empty() && std::time::Instant::now() < end => continue,
                _ => return all.len(),
            }
        }
    });
    assert_eq!(read.await.unwrap(), 32 << 20);
    world.until(&spec.id, "ended", |one| !one.may_run()).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test]
async fn the_memory_of_it_is_small() {
    if !can().await {
        return;
    }
    let world = World::new();
    let spec = own(&world, "small", &serving("small")).await;
    let first = ready(&world, &spec).await;
    let measured = |what: &str, pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let of = |key: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let own = of("Pss_Anon:");
        eprintln!("measured: {what}: {} kB PSS, {own} kB its own", of("Pss:"));
        assert!(own < 2048, "{what}: {own} kB");
    };
    let way = way_out(&world, &spec).unwrap();
    measured("the first process of a sandbox with a network", first);
    measured("the way out of it", way);
    let mut shared = own(&world, "shared", "echo up; exec sleep 1000").await;
    shared.setting.inside = BTreeMap::new();
    shared.readiness = Probe::Alive;
    let other = ready(&world, &shared).await;
    measured("the first process of a sandbox without one", other);
    world.end(&shared.id).await;
    for _ in 0..500 {
        get(spec.ports[0]).unwrap();
    }
    let kept: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(("127.0.0.1", spec.ports[0])).unwrap()).collect();
    until("all are carried", || connections(first) >= 100).await;
    measured("the first process, after 500 connections and with 100", first);
    measured("the way out then", way);
    drop(kept);
    world.end(&spec.id).await;
}

/// Established connections in a process's network.
fn connections(pid: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let port = format!(":{FIXED:04X}");
    let is = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 3 && fields[2].ends_with(&port) && fields[3] == "01"
    };
    text.lines().filter(is).count()
}
