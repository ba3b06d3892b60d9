//! The port's conformance suite on real processes. The file is the test kit's own, taken in by path: depending on the
//! test kit would turn the arrows round.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::disallowed_methods, reason = "programs of these tests read their environment")]

#[allow(unreachable_pub, reason = "public in the test kit")]
#[path = "../../../../testkit/src/conformance/runtime.rs"]
mod suite;
mod world;

use std::collections::BTreeMap;
use suite::{Behaviour, Harness};
use tow_record::Program;

fn program(behaviour: &Behaviour, port: u16) -> (Program, BTreeMap<String, String>) {
    let script = match behaviour {
        Behaviour::Runs | Behaviour::ListensNever => "exec sleep 1000".to_string(),
        Behaviour::IgnoresTerm => "trap '' TERM; while :; do sleep 1; done".into(),
        Behaviour::Says(lines) => {
            let says: String = lines.iter().map(|line| format!("echo '{line}'; ")).collect();
            format!("{says} exec sleep 1000")
        }
        Behaviour::Exits(code) => format!("exit {code}"),
        Behaviour::Serves => {
            let own = std::env::current_exe().unwrap();
            format!("exec '{}' --ignored --exact serves_for_the_suite", own.display())
        }
    };
    let argv = vec!["sh".into(), "-c".into(), script];
    (Program::Command { argv }, BTreeMap::from([("PORT".into(), port.to_string())]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_is_as_it_must_be() {
    let worlds = std::sync::Mutex::new(Vec::new());
    suite::runtime(|| async {
        let world = world::World::new();
        let runtime = world.runtime.clone();
        worlds.lock().unwrap().push(world);
        Harness {
            runtime,
            program: Box::new(program),
            advance: Box::new(|length| Box::pin(tokio::time::sleep(length.std()))),
        }
    })
    .await;
}

/// Not a test: the program that serves, run by the suite.
#[test]
#[ignore = "run by the suite as a program"]
fn serves_for_the_suite() {
    use std::io::{Read as _, Write as _};
    let Ok(port) = std::env::var("PORT") else { return };
    let listener = std::net::TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    }
}
