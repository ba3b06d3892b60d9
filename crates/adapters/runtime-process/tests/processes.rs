//! Real processes that misbehave, and shims that are killed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::disallowed_methods, reason = "programs of these tests read their environment")]

mod world;

use std::io::{Read as _, Write as _};
use std::time::Duration as StdDuration;
use tow_names::{Digest, Duration, Id};
use tow_ports::{LogQuery, PortError, Runtime as _};
use tow_record::{ExecProbe, Exit, HttpProbe, LogStream, Phase, Probe, Restart};
use world::{EPOCH, World, alive, command, kill, script, until};

/// Counts up in its log, ten times a second.
const COUNTS: &str = "n=0; while :; do n=$((n+1)); echo count $n; sleep 0.1; done";

fn count(line: &str) -> Option<u32> {
    line.strip_prefix("count ")?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_is_replaced_and_nothing_is_lost() {
    let mut world = World::new();
    let spec = script("survivor", COUNTS);
    let first = world.running(&spec).await;
    let pid = first.pid.unwrap();
    world.until_log(&spec.id, "begun", |log| log.iter().any(|line| line.text == "count 2")).await;
    for (times, reopened) in [(1, false), (2, true)] {
        let shim = world.shim(&spec.id);
        if reopened {
            world.reopen();
        }
        kill(shim);
        until("the shim is gone", || !alive(shim)).await;
        assert!(alive(pid), "the workload lives on");
        let before = world.log(&spec.id).await.len();
        let again = world.adopted(&spec.id, times).await;
        assert_eq!((again.pid, again.restarts, again.ready), (Some(pid), 0, true));
        assert_ne!(world.shim(&spec.id), shim);
        world.until_log(&spec.id, "going on", |log| log.len() > before + 5).await;
    }
    let counts: Vec<u32> =
        world.log(&spec.id).await.iter().filter_map(|line| count(&line.text)).collect();
    assert!(counts.is_sorted_by(|a, b| b - a == 1), "no line is lost or doubled: {counts:?}");
    // An adopted one is stopped like any other, and its end is seen though it is not told.
    world.runtime.stop(EPOCH, &spec.id, Duration::from_secs(5)).await.unwrap();
    let ended = world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.exit, Some(Exit::Unknown));
    until("the workload is gone", || !alive(pid)).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_killed_is_a_restart() {
    let world = World::new();
    let spec = script("both", COUNTS);
    let pid = world.running(&spec).await.pid.unwrap();
    let shim = world.shim(&spec.id);
    kill(shim);
    kill(pid);
    let again = world
        .until(&spec.id, "restarted", |one| one.phase == Phase::Running && one.pid != Some(pid))
        .await;
    assert_eq!((again.restarts, again.exit), (1, Some(Exit::Unknown)));
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_once_never_runs_twice() {
    let world = World::new();
    let mut spec = script("build", "echo begun >> begun; exec sleep 1000");
    spec.restart = Restart::Never;
    let pid = world.running(&spec).await.pid.unwrap();
    let begun = world.folder(&spec.id).join("work/begun");
    until("it has begun", || begun.exists()).await;
    kill(world.shim(&spec.id));
    kill(pid);
    let ended = world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!((ended.exit, ended.restarts), (Some(Exit::Unknown), 0));
    world.runtime.start(EPOCH, &spec).await.unwrap();
    assert_eq!(world.look(&spec.id).await.unwrap().phase, Phase::Exited);
    assert_eq!(std::fs::read_to_string(begun).unwrap(), "begun\n");
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_survives_its_shim() {
    let world = World::new();
    let spec = script("stopping", "trap '' TERM; while :; do sleep 0.1; done");
    let pid = world.running(&spec).await.pid.unwrap();
    world.runtime.stop(EPOCH, &spec.id, Duration::from_millis(1500)).await.unwrap();
    kill(world.shim(&spec.id));
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert!(!alive(pid));
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_off_preparation_is_done_again() {
    let world = World::new();
    let spec = script("half", "exec sleep 1000");
    let folder = world.folder(&spec.id);
    std::fs::create_dir_all(folder.join("work.new/half")).unwrap();
    assert_eq!(world.look(&spec.id).await, None, "nothing ran, so nothing is there");
    assert!(!folder.exists());
    world.running(&spec).await;
    assert!(!folder.join("work/half").exists());
    world.end(&spec.id).await;

    let never = script("never", "exec sleep 1000");
    std::fs::create_dir_all(world.folder(&never.id)).unwrap();
    world.runtime.stop(EPOCH, &never.id, Duration::ZERO).await.unwrap();
    world.runtime.start(EPOCH, &never).await.unwrap();
    assert_eq!(world.look(&never.id).await.unwrap().phase, Phase::Exited, "stopped stays stopped");
    world.runtime.remove(EPOCH, &never.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_boot_means_lost() {
    let world = World::new();
    let spec = script("boot", "exec sleep 1000");
    let pid = world.running(&spec).await.pid.unwrap();
    kill(world.shim(&spec.id));
    let state = world.folder(&spec.id).join("state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    std::fs::write(&state, text.replace(boot.trim(), "another-boot")).unwrap();
    let lost = world.until(&spec.id, "lost", |one| one.phase == Phase::Lost).await;
    assert_eq!(lost.pid, None);
    world.runtime.stop(EPOCH, &spec.id, Duration::ZERO).await.unwrap();
    assert!(alive(pid), "a pid of another boot is nobody's to kill");
    kill(pid);
    until("it is gone", || !alive(pid)).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lines_and_binary_output_are_kept() {
    let world = World::new();
    let spec = script(
        "noise",
        "head -c 10000000 /dev/zero | tr '\\0' x; echo; printf 'a\\377\\376b\\000c\\n'; \
         echo wrong >&2; exec sleep 1000",
    );
    world.running(&spec).await;
    let log = world
        .until_log(&spec.id, "whole", |log| {
            log.iter().any(|line| line.text == "a\u{FFFD}\u{FFFD}b\0c")
                && log.iter().any(|line| line.stream == LogStream::Stderr)
        })
        .await;
    let pieces: Vec<_> = log.iter().filter(|line| line.text.starts_with('x')).collect();
    assert_eq!(pieces.iter().map(|line| line.text.len()).sum::<usize>(), 10_000_000);
    assert!(pieces[..pieces.len() - 1].iter().all(|line| line.partial));
    assert!(!pieces.last().unwrap().partial);
    let wrong = log.iter().find(|line| line.stream == LogStream::Stderr).unwrap();
    assert_eq!(wrong.text, "wrong");
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_to_its_end() {
    use futures::StreamExt as _;
    let world = World::new();
    let spec = script("follow", "echo one; printf two; exit 0");
    let spec = tow_record::InstanceSpec { restart: Restart::Never, ..spec };
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let mut lines = world.runtime.logs(&spec.id, query).await.unwrap();
    let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let follower = tokio::spawn(async move {
        while let Some(line) = lines.next().await {
            send.send(line.text).unwrap();
        }
    });
    assert!(seen.recv().await.unwrap().starts_with("started, pid "));
    for text in ["one", "two", "exited with code 0"] {
        assert_eq!(seen.recv().await.unwrap(), text);
    }
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
    tokio::time::timeout(StdDuration::from_secs(10), follower).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_left_behind() {
    let world = World::new();
    // One in the group, one in a session of its own, both deaf.
    let deaf = "trap '' TERM HUP; while :; do sleep 0.1; done";
    let spec = script(
        "family",
        &format!(
            "(echo $$ > /dev/null; {deaf}) & setsid sh -c \"{deaf}\" & echo up; exec sleep 1000"
        ),
    );
    let pid = world.running(&spec).await.pid.unwrap();
    world.until_log(&spec.id, "up", |log| log.iter().any(|line| line.text == "up")).await;
    let fifo = world.folder(&spec.id).canonicalize().unwrap().join("out.fifo");
    let holders = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                std::fs::read_link(entry.path().join("fd/1")).is_ok_and(|link| link == fifo)
            })
            .count()
    };
    until("three of them", || holders() >= 3).await;
    world.runtime.stop(EPOCH, &spec.id, Duration::from_millis(300)).await.unwrap();
    world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!((holders(), alive(pid)), (0, false));
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_named() {
    let world = World::new();
    let cases: [(&[&str], &str); 3] = [
        (&["./server"], "cannot run ./server: no such file"),
        (&["surely-no-such-program"], "cannot run surely-no-such-program: not found on the PATH"),
        (&["/etc"], "cannot run /etc: it is a folder"),
    ];
    for (argv, words) in cases {
        let mut spec = command("missing", argv);
        spec.restart = Restart::Never;
        world.runtime.start(EPOCH, &spec).await.unwrap();
        let ended = world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
        assert_eq!((ended.exit, ended.message.as_str()), (Some(Exit::NotStarted), words));
        world.runtime.remove(EPOCH, &spec.id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_a_build() {
    let world = World::new();
    let mut spec = script("endless", "trap '' TERM; while :; do sleep 0.1; done");
    spec.restart = Restart::Never;
    spec.time_limit = Some(Duration::from_millis(300));
    spec.grace = Duration::from_millis(200);
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let ended = world.until(&spec.id, "ended", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.exit, Some(Exit::Timeout));
    assert!(ended.message.contains("time limit of 300ms"), "{}", ended.message);
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_probes_are_cut_off() {
    let world = World::new();
    // Accepts and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut spec = script("hang-http", "exec sleep 1000");
    spec.timeout = Duration::from_millis(100);
    spec.readiness =
        Probe::Http(HttpProbe { port, path: "/healthz".into(), host: None, headers: Vec::new() });
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let hangs = world.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    assert!(!hangs.ready);
    assert_eq!(hangs.probe.unwrap().what, "GET /healthz → no answer within 100 ms");
    world.end(&spec.id).await;

    let mut spec = script("hang-exec", "exec sleep 1000");
    spec.timeout = Duration::from_millis(100);
    let argv = ["sh", "-c", "echo $$ >> probes; echo stuck; sleep 1000"];
    spec.readiness = Probe::Exec(ExecProbe { argv: argv.map(String::from).into() });
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let hangs = world.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    let what = hangs.probe.unwrap().what;
    assert!(what.contains("no end within 100 ms, killed: stuck"), "{what}");
    let probes = std::fs::read_to_string(world.folder(&spec.id).join("work/probes")).unwrap();
    let first: u32 = probes.lines().next().unwrap().parse().unwrap();
    until("the probe is killed", || !alive(first)).await;
    world.end(&spec.id).await;
}

/// Answers every request with this, for ever.
fn serve(listener: std::net::TcpListener, answer: &'static str) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_probe_says_what_came() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    serve(
        listener,
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 16\r\nconnection: close\r\n\r\nno\n database yet",
    );
    let mut spec = script("unwell", "exec sleep 1000");
    spec.readiness =
        Probe::Http(HttpProbe { port, path: "/healthz".into(), host: None, headers: Vec::new() });
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let unwell = world.until(&spec.id, "probed", |one| one.probe.is_some()).await;
    let what = unwell.probe.unwrap().what;
    assert!(what.starts_with("GET /healthz → 503 in "), "{what}");
    assert!(what.ends_with(" ms: no database yet"), "{what}");
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_wrong_port_is_told_so() {
    let world = World::new();
    let ports = world.runtime.free_ports(2, &[]).await.unwrap();
    let own = std::env::current_exe().unwrap();
    let serves = format!("OTHER={} exec '{}' --ignored --exact listens", ports[1], own.display());
    let mut spec = script("deaf", &serves);
    spec.env.insert("PORT".into(), ports[0].to_string());
    spec.readiness = Probe::Tcp { port: ports[0] };
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let words = format!(
        "connect to {0} → nothing listens on $PORT {0}; the program listens on {1}: does it read PORT?",
        ports[0], ports[1]
    );
    world
        .until(&spec.id, "explained", |one| one.probe.as_ref().is_some_and(|p| p.what == words))
        .await;
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_stops_answering_is_started_again() {
    let world = World::new();
    let mut spec = script("dying", "touch well; exec sleep 1000");
    let argv = ["test", "-e", "well"].map(String::from);
    spec.readiness = Probe::Exec(ExecProbe { argv: argv.clone().into() });
    spec.liveness = Some(Probe::Exec(ExecProbe { argv: argv.into() }));
    world.runtime.start(EPOCH, &spec).await.unwrap();
    let first = world.until(&spec.id, "ready", |one| one.ready).await;
    std::fs::remove_file(world.folder(&spec.id).join("work/well")).unwrap();
    let again = world.until(&spec.id, "again", |one| one.ready && one.restarts == 1).await;
    assert_ne!(first.pid, again.pid);
    let log = world.log(&spec.id).await;
    assert!(
        log.iter().any(|line| line.text.starts_with("not alive any more: test -e well")),
        "{log:#?}"
    );
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_the_specs_and_little_more() {
    let world = World::new();
    let mut spec = script("env", "env; pwd; ls /proc/self/fd; exec sleep 1000");
    spec.env.insert("GREETING".into(), "hello".into());
    spec.env.insert("HOME".into(), "/nowhere".into());
    spec.files.insert("conf/app.txt".into(), (b"x".to_vec(), 0o640));
    world.running(&spec).await;
    let log = world.until_log(&spec.id, "listed", |log| log.iter().any(|l| l.text == "2")).await;
    let text: Vec<&str> = log.iter().map(|line| line.text.as_str()).collect();
    assert!(text.contains(&"GREETING=hello") && text.contains(&"HOME=/nowhere"), "{text:?}");
    assert!(text.iter().any(|line| line.starts_with("PATH=")));
    assert!(
        !text.iter().any(|line| line.starts_with("CARGO") || line.starts_with("TOW_")),
        "{text:?}"
    );
    assert!(text.iter().any(|line| line.ends_with("/work")), "{text:?}");
    // 3 is the listing's own.
    assert!(!text.contains(&"4"), "descriptors leak: {text:?}");
    let file = std::fs::metadata(world.folder(&spec.id).join("work/conf/app.txt")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.permissions().mode() & 0o777, 0o640);
    let spec_file = std::fs::metadata(world.folder(&spec.id).join("spec.json")).unwrap();
    assert_eq!(spec_file.permissions().mode() & 0o777, 0o600);
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shell_left_open_is_not_passed_on() {
    let world = World::new();
    let spec = script("leak", "ls /proc/self/fd; exec sleep 1000");
    world.running(&spec).await;
    let old = world.shim(&spec.id);
    kill(old);
    until("the shim is gone", || !alive(old)).await;
    // As if the platform had been started under `exec 5>lock`: its shims inherit the number.
    let folder = world.folder(&spec.id).canonicalize().unwrap();
    let mut shim = std::process::Command::new("sh")
        .args(["-c", "exec 5>/dev/null; exec \"$0\" shim \"$1\" 5"])
        .arg(world::tow())
        .arg(&folder)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 2];
    shim.stdout.take().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ok");
    let open = std::fs::read_link(format!("/proc/{}/fd/5", shim.id())).unwrap_or_default();
    assert_ne!(open.to_str(), Some("/dev/null"));
    world.end(&spec.id).await;
    shim.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn handed_on_sockets_outlive_program_and_shim() {
    let world = World::new();
    let own = std::env::current_exe().unwrap();
    let mut spec =
        script("gateway", &format!("exec '{}' --ignored --exact accepts", own.display()));
    spec.id = Id::parse("gateway").unwrap();
    spec.listen = vec!["127.0.0.1:0".into()];
    let first = world.running(&spec).await;
    let address = first.listening[0].clone();
    assert!(!address.ends_with(":0"));
    // A killed program's last thread may still take a connection with it: whoever got no answer asks again.
    let ask = || {
        let answers = std::iter::repeat_with(|| {
            let mut stream = std::net::TcpStream::connect(&address).unwrap();
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text);
            text
        });
        let answer = answers.take(20).find(|text| !text.is_empty()).unwrap();
        answer.parse::<u32>().unwrap()
    };
    assert_eq!(Some(ask()), first.pid);
    // The program dies: who asks meanwhile waits and is answered by the next one.
    kill(first.pid.unwrap());
    until("it is gone", || !alive(first.pid.unwrap())).await;
    assert_ne!(Some(ask()), first.pid);
    let second = world.until(&spec.id, "again", |one| one.restarts == 1).await;
    // The shim dies and then the program: the sockets were taken back meanwhile.
    kill(world.shim(&spec.id));
    let adopted = world.adopted(&spec.id, 1).await;
    assert_eq!((adopted.pid, &adopted.listening), (second.pid, &second.listening));
    kill(adopted.pid.unwrap());
    until("it is gone", || !alive(adopted.pid.unwrap())).await;
    assert_ne!(Some(ask()), adopted.pid);
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_refused_and_leaves_nothing() {
    let world = World::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let mut spec = script("late", "exec sleep 1000");
    spec.listen = vec![address.clone()];
    let words = format!("cannot listen on {address}: another program already does");
    assert_eq!(world.runtime.start(EPOCH, &spec).await, Err(PortError::Refused(words)));
    assert_eq!(world.look(&spec.id).await, None);
    drop(held);
    world.running(&spec).await;
    world.end(&spec.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_runs_and_a_missing_one_leaves_nothing() {
    let world = World::new();
    let program = b"#!/bin/sh\necho from the artifact\nexec sleep 1000\n";
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "bin/server", &program[..]).unwrap();
    let bytes = tar.into_inner().unwrap();
    let digest = Digest::of(&bytes);
    std::fs::write(world.dir.path().join(digest.hex()), bytes).unwrap();
    let mut spec = command("artifact", &["bin/server"]);
    spec.artifact = Some(digest);
    world.running(&spec).await;
    world.until_log(&spec.id, "up", |log| log.iter().any(|l| l.text == "from the artifact")).await;
    world.end(&spec.id).await;

    let mut spec = command("absent", &["bin/server"]);
    spec.artifact = Some(Digest::of(b"never stored"));
    let absent = world.runtime.start(EPOCH, &spec).await;
    assert!(matches!(absent, Err(PortError::NotThere(_))), "{absent:?}");
    assert_eq!(world.look(&spec.id).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_stopped_without_a_control_plane() {
    let world = World::new();
    let (calm, orphan, done) =
        (script("calm", "exec sleep 1000"), script("orphan", COUNTS), script("done", "exit 0"));
    let done = tow_record::InstanceSpec { restart: Restart::Never, ..done };
    let pids = [world.running(&calm).await.pid.unwrap(), world.running(&orphan).await.pid.unwrap()];
    world.runtime.start(EPOCH, &done).await.unwrap();
    world.until(&done.id, "ended", |one| one.phase == Phase::Exited).await;
    let shim = world.shim(&orphan.id);
    let (dir, tow) = (world.instances(), world::tow());
    kill(shim);
    let stopped = tow_runtime_process::stop_everything(&dir, &tow, Duration::from_secs(5));
    assert_eq!(stopped.await.unwrap(), [calm.id.clone(), orphan.id.clone()]);
    assert!(pids.iter().all(|pid| !alive(*pid)));
    for id in [&calm.id, &orphan.id, &done.id] {
        world.until(id, "ended", |one| one.phase == Phase::Exited).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_refuses_who_is_behind() {
    let world = World::new();
    let spec = script("fenced", "exec sleep 1000");
    world.running(&spec).await;
    // As if another adapter, whose own memory of epochs is elsewhere, had not heard of epoch 5.
    std::fs::remove_file(world.instances().join(".epoch")).unwrap();
    let late = world.runtime.stop(EPOCH - 1, &spec.id, Duration::ZERO).await;
    assert_eq!(late, Err(PortError::Fenced { given: EPOCH - 1, seen: EPOCH }));
    world.end(&spec.id).await;
}

/// Not a test: a program that listens on `OTHER`.
#[test]
#[ignore = "a program of another test"]
fn listens() {
    let Ok(port) = std::env::var("OTHER") else { return };
    let _held = std::net::TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    loop {
        std::thread::park();
    }
}

/// Not a test: accepts on descriptor 3 and answers with its pid. Takes the descriptor by asking the kernel for a copy
/// of its own, which needs nothing unsafe.
#[test]
#[ignore = "a program of another test"]
fn accepts() {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    if std::env::var("LISTEN_FDS").as_deref() != Ok("1") {
        return;
    }
    assert_eq!(std::env::var("LISTEN_PID").unwrap(), std::process::id().to_string());
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let fd = pidfd_getfd(own, 3, PidfdGetfdFlags::empty()).unwrap();
    for stream in std::net::TcpListener::from(fd).incoming() {
        stream.unwrap().write_all(std::process::id().to_string().as_bytes()).unwrap();
    }
}
