//! The port `Runtime`, held on the pretended runtime and on real processes under the shims of the real binary.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::disallowed_methods, reason = "a program of these tests reads its environment")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tow_names::Duration;
use tow_platform::SystemClock;
use tow_platform::fakes::{FakeClock, Script, To, World};
use tow_record::Program;
use tow_runtime_process::{Config, ProcessRuntime, stop_everything};
use tow_testkit::conformance::runtime::{Behaviour, Harness, runtime};

/// The real binary.
fn tow() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tow"))
}

#[tokio::test]
async fn pretended() {
    runtime(|| async {
        let clock = FakeClock::new();
        let world = World::new(clock.clone()).unwrap();
        let scripts = world.clone();
        let program = move |behaviour: &Behaviour, _: u16| {
            let text = match behaviour {
                Behaviour::Runs | Behaviour::Serves => String::new(),
                Behaviour::IgnoresTerm => "stops-after=1h".into(),
                Behaviour::ListensNever => "never-ready".into(),
                Behaviour::Exits(code) => format!("exits-after=10ms code={code}"),
                Behaviour::Says(lines) => {
                    let says = Script { says: lines.clone(), ..Script::default() };
                    scripts.script(To::Env("SAYS".into(), "these".into()), says);
                    let env = BTreeMap::from([("SAYS".into(), "these".into())]);
                    return (Program::Command { argv: vec!["any".into()] }, env);
                }
            };
            let env = BTreeMap::from([("TOW_FAKE".into(), text)]);
            (Program::Command { argv: vec!["any".into()] }, env)
        };
        Harness {
            runtime: Arc::new(world.runtime()),
            program: Box::new(program),
            advance: Box::new(move |length| {
                clock.advance(length);
                Box::pin(tokio::task::yield_now())
            }),
        }
    })
    .await;
}

fn program(behaviour: &Behaviour, port: u16) -> (Program, BTreeMap<String, String>) {
    let script = match behaviour {
        Behaviour::Runs | Behaviour::ListensNever => "exec sleep 1000".to_string(),
        Behaviour::IgnoresTerm => "trap '' TERM; while :; do sleep 1; done".into(),
        Behaviour::Says(lines) => {
            let says: String = lines.iter().map(|line| format!("echo '{line}'; ")).collect();
            format!("{says} exec sleep 1000")
        }
        Behaviour::Exits(code) => format!("exit {code}"),
        // The platform's own file server, which the instance would be anyway if it were one of files.
        Behaviour::Serves => {
            format!("echo hello > index.html; exec '{}' static .", tow().display())
        }
    };
    let argv = vec!["sh".into(), "-c".into(), script];
    (Program::Command { argv }, BTreeMap::from([("PORT".into(), port.to_string())]))
}

#[tokio::test(flavor = "multi_thread")]
async fn real_processes() {
    let dirs = Arc::new(Mutex::new(Vec::new()));
    let kept = dirs.clone();
    runtime(move || {
        let kept = kept.clone();
        async move {
            let dir = tempfile::tempdir().unwrap();
            let clock = Arc::new(SystemClock);
            let config = Config {
                dir: dir.path().join("run/i"),
                tow: tow().into(),
                blobs: Arc::new(World::new(clock.clone()).unwrap().blobs()),
                clock,
                node: "here".into(),
            };
            kept.lock().unwrap().push(dir);
            Harness {
                runtime: Arc::new(ProcessRuntime::new(config).unwrap()),
                program: Box::new(program),
                advance: Box::new(|length| Box::pin(tokio::time::sleep(length.std()))),
            }
        }
    })
    .await;
    let dirs = std::mem::take(&mut *dirs.lock().unwrap());
    for dir in dirs {
        let left = stop_everything(&dir.path().join("run/i"), tow(), Duration::ZERO).await.unwrap();
        assert_eq!(left, [], "the suite leaves nothing running");
    }
}
