//! The port's conformance suite on real processes. The files are the test kit's own, taken in by path: depending on the
//! test kit would turn the arrows round. `TOW_CASE=exec` runs the cases that are called so alone.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test is told by its environment what to run")]
#![allow(dead_code, unused_imports, reason = "the suite's parts that only its matrix needs")]

#[allow(unreachable_pub, reason = "public in the test kit")]
#[path = "../../../../testkit/src/conformance/runtime/mod.rs"]
mod suite;
mod world;

use std::sync::{Arc, Mutex};
use suite::shell::Shell;
use suite::{Harness, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tow_names::{Digest, Name};
use tow_record::{Executes, ObservedInstance};
use world::World;

/// An archive with a note in it, among the blobs of a world.
fn archive(world: &World) -> Digest {
    let mut tar = tar::Builder::new(Vec::new());
    let text = b"from the artifact";
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "note", &text[..]).unwrap();
    let bytes = tar.into_inner().unwrap();
    let digest = Digest::of(&bytes);
    std::fs::write(world.dir.path().join(digest.hex()), bytes).unwrap();
    digest
}

/// What GET / on a port of this machine is answered with.
async fn reach(port: u16) -> Option<String> {
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: here\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_string())
    };
    tokio::time::timeout(std::time::Duration::from_secs(2), asked).await.ok().flatten()
}

fn harness(worlds: &Mutex<Vec<Arc<World>>>, spec: &str) -> Harness {
    let world = Arc::new(World::new());
    worlds.lock().unwrap().push(world.clone());
    let artifact = archive(&world);
    let shell = Shell {
        serve: "busybox httpd -f -p 127.0.0.1:{port} -h {dir}".into(),
        get: "busybox wget -q -O - {url}".into(),
        scratch: "",
    };
    let (commands, reopened, watched) = (shell.clone(), world.clone(), world.clone());
    Harness {
        runtime: world.runtime.clone(),
        executes: Executes { name: Name::local(), spec: serde_json::from_str(spec).unwrap() },
        program: Box::new(move |acts| Program::Command { argv: shell.program(acts) }),
        command: Box::new(move |acts| commands.command(acts)),
        artifact,
        scratch: "",
        advance: Box::new(|length| Box::pin(tokio::time::sleep(length.std()))),
        reach: Box::new(|port| Box::pin(reach(port))),
        reopen: Box::new(move || world::open(reopened.dir.path())),
        kill: Box::new(|seen: &ObservedInstance| {
            world::kill(seen.pid.unwrap());
            Box::pin(async {})
        }),
        kill_shim: Box::new(move |seen| {
            let shim = watched.shim(&seen.id);
            Box::pin(async move {
                world::kill(shim);
                world::until("the shim is gone", || !world::alive(shim)).await;
            })
        }),
    }
}

async fn column(runtime: &'static str, spec: &'static str) {
    let worlds = Mutex::new(Vec::new());
    let only = std::env::var("TOW_CASE").unwrap_or_default();
    let column = suite::run(runtime, 6, &only, || async { harness(&worlds, spec) }).await;
    let broken = column.broken();
    assert!(broken.is_empty(), "{} cases do not hold:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_as_they_must_be() {
    column("process", r#"{"type":"process"}"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_are_as_they_must_be() {
    column("sandbox", r#"{"type":"process","isolation":"sandbox"}"#).await;
}
