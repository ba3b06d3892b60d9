//! The ports' conformance suites on the pretended world. The files are the test kit's own, taken in by path: depending
//! on the test kit would turn the arrows round.

#![allow(dead_code, unused_imports, reason = "the suite's parts that only real runtimes need")]

#[allow(unreachable_pub, reason = "public in the test kit")]
#[path = "../../../../testkit/src/conformance/edge.rs"]
mod edge;
#[allow(unreachable_pub, reason = "public in the test kit")]
#[path = "../../../../testkit/src/conformance/runtime/mod.rs"]
mod runtime;

use bytes::Bytes;
use futures::StreamExt as _;
use runtime::{Act, Harness, Program};
use std::sync::Arc;
use tow_fake::{FakeClock, World};
use tow_names::Name;
use tow_ports::{Blobs as _, Clock};
use tow_record::{Executes, Exit};

fn fresh() -> (Arc<FakeClock>, Arc<World>) {
    let clock = FakeClock::new();
    let world = World::new(Arc::clone(&clock) as Arc<dyn Clock>).expect("a world");
    (clock, world)
}

fn pretended(acts: &[Act]) -> Vec<String> {
    vec!["pretended".into(), serde_json::to_string(acts).expect("acts are JSON")]
}

async fn harness(spec: &str) -> Harness {
    let (clock, world) = fresh();
    let archive =
        futures::stream::iter([Ok(Bytes::from(r#"{"note":"from the artifact"}"#))]).boxed();
    let (artifact, _) = world.blobs().put(archive, 1 << 20).await.expect("blobs take it");
    let spec = serde_json::from_str(spec).expect("a runtime's spec");
    let (reopened, reached, broken) = (world.clone(), world.clone(), world.clone());
    Harness {
        runtime: Arc::new(world.runtime()),
        executes: Executes { name: Name::local(), spec },
        program: Box::new(|acts| Program::Command { argv: pretended(acts) }),
        command: Box::new(pretended),
        artifact,
        scratch: "",
        advance: Box::new(move |length| {
            clock.advance(length);
            Box::pin(tokio::task::yield_now())
        }),
        reach: Box::new(move |port| {
            let answer = reached.reached(port);
            Box::pin(async move { answer })
        }),
        reopen: Box::new(move || Arc::new(reopened.runtime())),
        kill: Box::new(move |seen| {
            broken.kill(&seen.id, Exit::Signal { signal: 9 });
            Box::pin(async {})
        }),
        kill_shim: Box::new(|_| Box::pin(async {})),
    }
}

#[tokio::test]
async fn the_runtime_is_as_it_must_be() {
    for spec in [
        r#"{"type":"process"}"#,
        r#"{"type":"process","isolation":"sandbox"}"#,
        r#"{"type":"container"}"#,
    ] {
        let column = runtime::run("fake", 1, "", || harness(spec)).await;
        assert!(column.broken().is_empty(), "{spec}: {:#?}", column.broken());
        assert!(column.cells.len() >= 80, "{} cases", column.cells.len());
    }
}

#[tokio::test]
async fn the_edge_is_as_it_must_be() {
    let (_clock, world) = fresh();
    edge::edge(&world.edge()).await;
}
