//! Real programs in real sandboxes: what they see, what they can't, how they end.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stderr, reason = "what is not run is said")]

mod world;

use bytes::Bytes;
use futures::StreamExt;
use std::collections::BTreeMap;
use tow_names::{Duration, Id};
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, PortError, Runtime, Size};
use tow_record::{
    ExecProbe, Executes, Exit, InstanceSpec, Isolation, Mount, Phase, Probe, Restart,
};
use world::*;

/// A runtime of sandboxes.
fn executes() -> Executes {
    let spec = serde_json::from_str(r#"{"type":"process","isolation":"sandbox"}"#).unwrap();
    Executes { spec, ..Executes::default() }
}

/// In a sandbox, once.
fn sandboxed(name: &str, script_text: &str) -> InstanceSpec {
    let mut spec = script(name, script_text);
    spec.setting.isolation = Isolation::Sandbox;
    spec.setting.runtime = executes();
    spec.restart = Restart::Never;
    spec
}

/// Where there is no bubblewrap nothing of this can be run, and it is said.
async fn can() -> bool {
    let world = World::new();
    let facts = world.runtime.facts(&executes()).await.unwrap();
    if let Some(why) = &facts.unavailable {
        eprintln!("not run: sandboxes: {why}");
    }
    facts.unavailable.is_none()
}

/// What a script said until it ended, and how it ended.
async fn told(world: &World, spec: &InstanceSpec) -> (Vec<String>, Option<Exit>, String) {
    world.runtime.start(EPOCH, spec).await.unwrap();
    let ended = world.until(&spec.id, "ended", |one| !one.may_run()).await;
    assert_eq!(ended.isolation, Isolation::Sandbox);
    let log = world.log(&spec.id).await;
    let lines = log
        .into_iter()
        .filter(|line| line.stream != tow_record::LogStream::Platform)
        .map(|line| line.text)
        .collect();
    (lines, ended.exit, ended.message)
}

#[tokio::test]
async fn a_program_sees_its_own_folder_and_the_system_and_nothing_else() {
    if !can().await {
        return;
    }
    let world = World::new();
    std::fs::write(world.dir.path().join("keys"), "secret").unwrap();
    let data = world.dir.path().display().to_string();
    let mut spec = sandboxed(
        "sees",
        &format!(
            "echo \"$(pwd) $HOME $(id -u)\"; touch here && echo home; \
             for path in {data} {data}/keys /etc/shadow $HOME/../../run/i /sys/fs; do \
               [ -e $path ] && echo \"sees $path\"; done; \
             for path in /x /usr/x /etc/x /dev/x; do touch $path 2>/dev/null && echo \"wrote $path\"; done; \
             touch /tmp/x && echo tmp; cat /etc/app/conf; cat conf/own; \
             echo $(ls /proc | grep -c '^[0-9]') processes; \
             grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd|CapAmb):' /proc/self/status | tr -d '\\t'; exit 3",
        ),
    );
    spec.files.insert("/etc/app/conf".into(), (b"absolute\n".to_vec(), 0o640));
    spec.files.insert("/home/app/conf/own".into(), (b"own\n".to_vec(), 0o600));
    let (lines, exit, message) = told(&world, &spec).await;
    assert_eq!(exit, Some(Exit::Code { code: 3 }), "{lines:?} {message}");
    let text = lines.join("\n");
    assert!(text.starts_with("/home/app /home/app 60999\nhome\ntmp\nabsolute\nown\n"), "{text}");
    assert!(!text.contains("sees ") && !text.contains("wrote "), "{text}");
    for line in ["NoNewPrivs:1", "Seccomp:2", "CapEff:0000000000000000", "CapAmb:0000000000000000"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    if rustix::process::geteuid().is_root() {
        assert!(text.contains("CapBnd:0000000000000000"), "{text}");
    }
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
    assert!(!world.folder(&spec.id).exists());
}

#[tokio::test]
async fn it_ends_as_its_program_ends_and_as_a_whole() {
    if !can().await {
        return;
    }
    let world = World::new();
    let spec = sandboxed("signal", "kill -9 $$");
    assert_eq!(told(&world, &spec).await.1, Some(Exit::Signal { signal: 9 }));
    let spec = sandboxed("missing", "exec ./not-there");
    assert_eq!(told(&world, &spec).await.1, Some(Exit::Code { code: 127 }));
    let mut spec = sandboxed("no-program", "");
    spec.program = tow_record::Program::Command { argv: vec!["./none".into()] };
    let (_, exit, message) = told(&world, &spec).await;
    assert_eq!(exit, Some(Exit::NotStarted));
    assert_eq!(message, "cannot run ./none: no such file");
    // What hides from its group and its parent is ended with it all the same.
    let spec =
        sandboxed("hides", "setsid sleep 1000 & trap 'echo bye; exit 0' TERM; echo up; wait");
    let seen = world.running(&spec).await;
    world.until_log(&spec.id, "up", |log| log.iter().any(|line| line.text == "up")).await;
    let inside = std::fs::read_to_string(format!("/proc/{}/cmdline", seen.pid.unwrap())).unwrap();
    assert!(inside.starts_with("/.tow"), "the first process is ours: {inside}");
    world.runtime.stop(EPOCH, &spec.id, Duration::from_secs(10)).await.unwrap();
    let ended = world.until(&spec.id, "ended", |one| !one.may_run()).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 0 }));
    until("nobody is left", || !alive(seen.pid.unwrap())).await;
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
}

#[tokio::test]
async fn it_outlives_its_shim_and_is_adopted_and_its_end_is_still_known() {
    if !can().await {
        return;
    }
    let world = World::new();
    let spec = sandboxed(
        "adopted",
        "n=0; while [ $n -lt 60 ]; do echo n $n; n=$((n+1)); sleep 0.05; done; exit 7",
    );
    let first = world.running(&spec).await;
    kill(world.shim(&spec.id));
    let again = world.adopted(&spec.id, 1).await;
    assert_eq!((again.pid, again.restarts), (first.pid, 0));
    let out = said(&world, &spec.id, &["echo", "beside"]).await;
    assert_eq!(out, ("beside\n".into(), Exit::Code { code: 0 }), "the new shim reaches it too");
    let ended = world.until(&spec.id, "ended", |one| !one.may_run()).await;
    assert_eq!(ended.exit, Some(Exit::Code { code: 7 }));
    let log = world.log(&spec.id).await;
    let lines = log.iter().filter(|line| line.text.starts_with("n ")).count();
    assert_eq!(lines, 60, "no line is lost");
}

/// Runs a command to its end.
async fn said(world: &World, id: &Id, argv: &[&str]) -> (String, Exit) {
    let spec =
        ExecSpec { argv: argv.iter().map(ToString::to_string).collect(), ..ExecSpec::default() };
    let mut session = world.runtime.exec(EPOCH, id, spec).await.unwrap();
    let mut text = String::new();
    loop {
        match session.output.next().await.unwrap().unwrap() {
            ExecOut::Out(bytes) | ExecOut::Err(bytes) => {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
            ExecOut::Ended(exit) => return (text, exit),
        }
    }
}

#[tokio::test]
async fn commands_run_beside_programs_plain_and_sandboxed() {
    let world = World::new();
    let mut specs = vec![script("plain", "echo $$ > pid; exec sleep 1000")];
    if can().await {
        specs.push(sandboxed("boxed", "echo $$ > pid; exec sleep 1000"));
    }
    for mut spec in specs {
        spec.env.insert("WHOSE".into(), spec.title.clone());
        world.running(&spec).await;
        let (text, exit) =
            said(&world, &spec.id, &["sh", "-c", "echo $WHOSE; ls pid; exit 5"]).await;
        assert_eq!((text, exit), (format!("{}\npid\n", spec.title), Exit::Code { code: 5 }));
        let (text, exit) = said(&world, &spec.id, &["sh", "-c", "kill -9 $$"]).await;
        assert_eq!((text.as_str(), exit), ("", Exit::Signal { signal: 9 }));
        let none = ExecSpec { argv: vec!["no-such-program".into()], ..ExecSpec::default() };
        let why = world.runtime.exec(EPOCH, &spec.id, none).await.map(|_| ()).unwrap_err();
        assert!(
            matches!(&why, PortError::Refused(why) if why.contains("not found on the PATH")),
            "{why}"
        );
        terminal(&world, &spec.id).await;
        dropped(&world, &spec.id).await;
        world.end(&spec.id).await;
        let late = ExecSpec { argv: vec!["true".into()], ..ExecSpec::default() };
        let why = world.runtime.exec(EPOCH, &spec.id, late).await.map(|_| ()).unwrap_err();
        assert!(matches!(why, PortError::NotThere(_)), "{why}");
    }
}

/// A terminal with a name, a size that changes, keys that interrupt.
async fn terminal(world: &World, id: &Id) {
    let size = Size { columns: 91, rows: 17 };
    let argv = vec![
        "sh".into(),
        "-c".into(),
        "tty; stty size; read line; stty size; echo got $line; exec sleep 1000".into(),
    ];
    let spec = ExecSpec { argv, env: BTreeMap::new(), tty: Some(size) };
    let mut session = world.runtime.exec(EPOCH, id, spec).await.unwrap();
    let text = heard(&mut session, |text| text.contains("17 91")).await;
    assert!(text.starts_with("/dev/pts/"), "{text}");
    session.input.send(ExecIn::Resize(Size { columns: 120, rows: 40 })).await.unwrap();
    session.input.send(ExecIn::Bytes(Bytes::from_static(b"hello\n"))).await.unwrap();
    heard(&mut session, |text| text.contains("40 120") && text.contains("got hello")).await;
    session.input.send(ExecIn::Bytes(Bytes::from_static(&[3]))).await.unwrap();
    let ended = loop {
        if let ExecOut::Ended(exit) = session.output.next().await.unwrap().unwrap() {
            break exit;
        }
    };
    assert_eq!(ended, Exit::Signal { signal: 2 }, "interrupted by its key");
}

async fn heard(session: &mut ExecSession, until: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    while !until(&text) {
        match session.output.next().await.unwrap().unwrap() {
            ExecOut::Out(bytes) | ExecOut::Err(bytes) => {
                text.push_str(&String::from_utf8_lossy(&bytes))
            }
            ExecOut::Ended(exit) => panic!("{exit:?} after {text}"),
        }
    }
    text
}

/// Whichever half goes away, the command ends.
async fn dropped(world: &World, id: &Id) {
    for keep_input in [true, false] {
        for tty in [None, Some(Size { columns: 80, rows: 24 })] {
            let argv = vec!["sh".into(), "-c".into(), "echo up; sleep 98765 & wait".into()];
            let spec = ExecSpec { argv, env: BTreeMap::new(), tty };
            let mut session = world.runtime.exec(EPOCH, id, spec).await.unwrap();
            heard(&mut session, |text| text.contains("up")).await;
            until("it runs", || runs("98765")).await;
            let ExecSession { input, output } = session;
            if keep_input {
                drop(output)
            } else {
                drop(input)
            }
            until("the command is gone", || !runs("98765")).await;
        }
    }
}

/// Does `sleep` of so many seconds run, anywhere on the machine?
fn runs(seconds: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| line == format!("sleep\0{seconds}\0").as_bytes())
    })
}

/// A second workload: it counts, and whoever disturbs it is found out.
async fn bystander(world: &World) -> InstanceSpec {
    let mut spec = sandboxed(
        "bystander",
        "echo secret > secret; while :; do date +%s%N > beat; sleep 0.05; done",
    );
    spec.env.insert("SECRET".into(), "of-the-bystander".into());
    spec.readiness =
        Probe::Exec(ExecProbe { argv: vec!["test".into(), "-s".into(), "beat".into()] });
    world.runtime.start(EPOCH, &spec).await.unwrap();
    world.until(&spec.id, "ready", |one| one.ready).await;
    spec
}

/// It still counts, in the same process.
async fn is_well(world: &World, spec: &InstanceSpec, first: Option<u32>) {
    let beat = world.folder(&spec.id).join("work/beat");
    let before = std::fs::read_to_string(&beat).unwrap();
    until("it counts on", || std::fs::read_to_string(&beat).is_ok_and(|now| now != before)).await;
    let seen = world.look(&spec.id).await.unwrap();
    assert_eq!((seen.phase, seen.pid, seen.restarts), (Phase::Running, first, 0));
    assert!(seen.ready, "{seen:?}");
}

#[tokio::test]
async fn what_is_others_is_out_of_reach() {
    if !can().await {
        return;
    }
    let world = World::new();
    let other = bystander(&world).await;
    let first = world.look(&other.id).await.unwrap().pid;
    let plain = script("plain", "exec sleep 1000");
    let mut plain = plain;
    plain.env.insert("SECRET".into(), "of-the-plain".into());
    let victim = world.running(&plain).await.pid.unwrap();
    let folder = world.folder(&other.id).display().to_string();
    let spec = sandboxed(
        "nosy",
        &format!(
            "cat {folder}/spec.json {folder}/work/secret 2>&1; \
             cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep SECRET && echo read an environment; \
             kill -9 {victim} 2>&1; kill -9 -1 2>/dev/null; \
             ls {folder}/.. 2>&1 | head -1; \
             unshare -U true 2>&1; unshare -m true 2>&1; mount -t tmpfs none /tmp 2>&1; \
             chroot / true 2>&1; nsenter -t 1 -m true 2>&1; find / -name ctl.sock 2>/dev/null; \
             cat /proc/1/environ 2>&1; echo x 2>&1 > /proc/1/mem; ls -l /proc/1/fd 2>&1 | head -1; echo done",
        ),
    );
    let (lines, exit, message) = told(&world, &spec).await;
    // `kill -9 -1` ends all that it sees, which is itself at most.
    let text = lines.join("\n");
    assert!(matches!(exit, Some(Exit::Code { .. } | Exit::Signal { .. })), "{message} {text}");
    assert!(!text.contains("secret\n") && !text.contains("of-the"), "{text}");
    assert!(!text.contains("read an environment") && !text.contains("ctl.sock\n"), "{text}");
    assert!(
        text.contains("No such file or directory") && text.contains("No such process"),
        "{text}"
    );
    assert!(alive(victim), "a plain process was killed");
    let spec = sandboxed(
        "breaks-out",
        "unshare -U true 2>&1; unshare -m true 2>&1; mount -t tmpfs none /tmp 2>&1; chroot / true 2>&1; \
         nsenter -t 1 -m true 2>&1; cat /proc/1/environ 2>&1; cat /proc/1/mem 2>&1 | head -1; \
         find / -name ctl.sock 2>/dev/null; echo done",
    );
    let (lines, _, _) = told(&world, &spec).await;
    let text = lines.join("\n");
    let refused = ["not permitted", "denied", "superuser"];
    let count: usize = refused.iter().map(|word| text.matches(word).count()).sum();
    assert_eq!(count, 7, "{text}");
    assert!(text.ends_with("done") && !text.contains("ctl.sock"), "{text}");
    is_well(&world, &other, first).await;
    world.end(&plain.id).await;
    world.end(&other.id).await;
}

#[tokio::test]
async fn ports_of_others_can_not_be_taken() {
    if !can().await {
        return;
    }
    let world = World::new();
    let ports = world.runtime.free_ports(2, &[]).await.unwrap();
    let script_text = format!(
        "busybox httpd -f -p 127.0.0.1:{} & sleep 0.5; busybox httpd -f -p 127.0.0.1:{} & sleep 0.5; \
         busybox httpd -f -p 127.0.0.1:80; echo done; kill %1 %2",
        ports[0], ports[1],
    );
    let mut spec = sandboxed("binds", &script_text);
    spec.ports = vec![ports[0]];
    spec.readiness = Probe::Tcp { port: ports[0] };
    world.runtime.start(EPOCH, &spec).await.unwrap();
    world.until(&spec.id, "ready", |one| one.ready || !one.may_run()).await;
    let ended = world.until(&spec.id, "ended", |one| !one.may_run()).await;
    let text: Vec<String> = world.log(&spec.id).await.into_iter().map(|line| line.text).collect();
    let refusals =
        text.iter().filter(|line| line.contains("bind") || line.contains("ermission")).count();
    let facts = world.runtime.facts(&executes()).await.unwrap();
    // Below 1024 the kernel refuses by itself; a port of nobody's only where it has Landlock for it.
    let all =
        if facts.notes.iter().any(|note| note.contains("each other's ports")) { 1 } else { 2 };
    assert_eq!(refusals, all, "{text:?} {ended:?}");
}

#[tokio::test]
async fn who_takes_too_much_is_stopped_with_the_reason_and_others_go_on() {
    if !can().await {
        return;
    }
    let world = World::new();
    let other = bystander(&world).await;
    let first = world.look(&other.id).await.unwrap().pid;

    let mut spec = sandboxed("eats", "tail /dev/zero");
    spec.setting.bounds.memory = Some(64 << 20);
    let (_, exit, message) = told(&world, &spec).await;
    assert!(message.contains("64 MiB"), "{message}");
    assert!(!matches!(exit, Some(Exit::Code { code: 0 })), "{exit:?}");
    is_well(&world, &other, first).await;

    let mut spec = sandboxed(
        "eats-in-tmp",
        "cat /dev/zero > /tmp/full; cat /dev/zero > /dev/shm/full; echo $?",
    );
    spec.setting.bounds.memory = Some(512 << 20);
    let (lines, exit, message) = told(&world, &spec).await;
    assert_eq!(
        lines.iter().filter(|line| line.contains("No space left")).count(),
        2,
        "{lines:?} {message}"
    );
    assert_eq!(exit, Some(Exit::Code { code: 0 }));

    // As a bomb is, but for its name.
    let mut spec = sandboxed("forks", "bomb() { bomb | bomb & }; bomb; sleep 1000");
    spec.setting.bounds.processes = Some(100);
    world.runtime.start(EPOCH, &spec).await.unwrap();
    world.until(&spec.id, "stopped or told", |one| one.message.contains("bound of 100")).await;
    is_well(&world, &other, first).await;
    world.end(&spec.id).await;

    let mut spec =
        sandboxed("fills", "n=0; while head -c 1000000 /dev/zero > f$n; do n=$((n+1)); done");
    spec.setting.bounds.disk = Some(32 << 20);
    let (_, exit, message) = told(&world, &spec).await;
    assert!(message.contains("over its bound of 32 MiB"), "{message}");
    assert_eq!(exit, Some(Exit::Signal { signal: 9 }));
    let mut spec = sandboxed("fills-one", "exec cat /dev/zero > full");
    spec.setting.bounds.disk = Some(32 << 20);
    let (_, exit, message) = told(&world, &spec).await;
    assert_eq!(exit, Some(Exit::Signal { signal: 25 }), "{message}");
    assert!(message.contains("32 MiB"), "{message}");
    is_well(&world, &other, first).await;
    world.end(&other.id).await;
}

#[tokio::test]
async fn volumes_stay_and_links_do_not_lead_out_of_them() {
    if !can().await {
        return;
    }
    let world = World::new();
    let mount = |path: Option<&str>, read_only| Mount {
        volume: "kept".into(),
        target: "/var/lib/app".into(),
        path: path.map(Into::into),
        read_only,
    };
    let mut spec = sandboxed(
        "writes",
        "echo 1 > /var/lib/app/x; ln -s / /var/lib/app/out; ln -s /etc /home/app/y",
    );
    spec.setting.mounts = vec![mount(None, false)];
    assert_eq!(told(&world, &spec).await.1, Some(Exit::Code { code: 0 }));
    world.runtime.remove(EPOCH, &spec.id).await.unwrap();
    let mut spec = sandboxed("reads", "cat /var/lib/app/x; touch /var/lib/app/z && echo wrote");
    spec.setting.mounts = vec![mount(None, true)];
    let (lines, ..) = told(&world, &spec).await;
    assert!(lines.contains(&"1".to_string()), "{lines:?}");
    assert!(!lines.contains(&"wrote".to_string()), "{lines:?}");
    let mut spec = sandboxed("escapes", "ls /var/lib/app");
    spec.setting.mounts = vec![mount(Some("out"), false)];
    let (lines, exit, message) = told(&world, &spec).await;
    assert_eq!((lines, exit), (Vec::new(), Some(Exit::NotStarted)));
    assert!(message.contains("a link or a file is in the way"), "{message}");
}

#[tokio::test]
async fn the_environment_acts_on_the_program_alone() {
    // Were it given to our own binary, the loader would say so there, too.
    let world = World::new();
    let mut specs = vec![script("plain-env", "echo up; exec sleep 1000")];
    if can().await {
        specs.push(sandboxed("boxed-env", "echo up; exec sleep 1000"));
    }
    for mut spec in specs {
        spec.env.insert("LD_PRELOAD".into(), "/nowhere/evil.so".into());
        world.running(&spec).await;
        let log =
            world.until_log(&spec.id, "up", |log| log.iter().any(|line| line.text == "up")).await;
        assert!(
            log.iter().any(|line| line.text.contains("evil.so")),
            "the program gets it: {log:?}"
        );
        assert!(!log.iter().any(|line| line.text.contains("tow:")), "{log:?}");
        let own = std::fs::read_to_string(world.folder(&spec.id).join("shim.err")).unwrap();
        assert!(!own.contains("evil.so"), "{own}");
        world.end(&spec.id).await;
    }
}

/// What a sandbox costs beside its program: its first process, as the machine's memory is shared out.
#[tokio::test]
async fn a_sandbox_takes_little_memory() {
    if !can().await {
        return;
    }
    let world = World::new();
    let pss = |pid: u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
    };
    let mut first = Vec::new();
    let mut specs = Vec::new();
    for n in 0..10 {
        let spec = sandboxed(&format!("small-{n}"), "exec sleep 1000");
        first.push(world.running(&spec).await.pid.unwrap());
        specs.push(spec);
    }
    let each = first.iter().map(|pid| pss(*pid)).sum::<u64>() / 10;
    let shims = specs.iter().map(|spec| pss(world.shim(&spec.id))).sum::<u64>() / 10;
    println!(
        "measured: a sandbox's first process {each} KiB PSS, its shim {shims} KiB, of ten in this test's binary"
    );
    for spec in &specs {
        world.end(&spec.id).await;
    }
}
