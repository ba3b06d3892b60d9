//! Real programs in real sandboxes: what they see, what they can't, how they end.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::print_stderr, reason = "what is not run is said")]

mod world;

use bytes::Bytes;
use futures::StreamExt;
use std::collections::BTreeMap;
use tow_model::kinds::runtime::ProcessIsolation;
use tow_names::{Duration, Id};
use tow_ports::{ExecIn, ExecOut, ExecSession, ExecSpec, PortError, Runtime, Size};
use tow_record::{Executes, Exit, InstanceSpec, Isolation, Restart};
use world::*;

/// In a sandbox, once.
fn sandboxed(name: &str, script_text: &str) -> InstanceSpec {
    let mut spec = script(name, script_text);
    spec.setting.isolation = Isolation::Sandbox;
    spec.setting.runtime.spec.isolation = Some(ProcessIsolation::Sandbox);
    spec.restart = Restart::Never;
    spec
}

/// Where there is no bubblewrap nothing of this can be run, and it is said.
async fn can() -> bool {
    let world = World::new();
    let mut executes = Executes::default();
    executes.spec.isolation = Some(ProcessIsolation::Sandbox);
    let facts = world.runtime.facts(&executes).await.unwrap();
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
             for path in {data} {data}/keys /root/.bashrc /etc/shadow /home/app/../../run/i /sys/fs; do \
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
