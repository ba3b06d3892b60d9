//! The ports' conformance suites on the pretended world. The files are the test kit's own, taken in by path: depending
//! on the test kit would turn the arrows round.

#[allow(unreachable_pub, reason = "public in the test kit")]
#[path = "../../../../testkit/src/conformance/edge.rs"]
mod edge;
#[allow(unreachable_pub, reason = "public in the test kit")]
#[path = "../../../../testkit/src/conformance/runtime.rs"]
mod runtime;

use runtime::{Behaviour, Harness};
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_fake::{FakeClock, Script, To, World};
use tow_names::Duration;
use tow_ports::Clock;
use tow_record::Program;

const BEHAVES: &str = "BEHAVES";

fn script(behaviour: &Behaviour) -> Script {
    match behaviour {
        Behaviour::Runs | Behaviour::Serves => Script::ready_after(Duration::from_millis(30)),
        Behaviour::IgnoresTerm => Script::default().stubborn(),
        Behaviour::Says(lines) => Script { says: lines.clone(), ..Script::default() },
        Behaviour::Exits(code) => Script::exits(Duration::ZERO, *code),
        Behaviour::ListensNever => Script::never_ready(),
    }
}

fn fresh() -> (Arc<FakeClock>, Arc<World>) {
    let clock = FakeClock::new();
    let world = World::new(Arc::clone(&clock) as Arc<dyn Clock>).expect("a world");
    (clock, world)
}

#[tokio::test]
async fn the_runtime_is_as_it_must_be() {
    runtime::runtime(|| async {
        let (clock, world) = fresh();
        let runtime = Arc::new(world.runtime());
        Harness {
            runtime,
            program: Box::new(move |behaviour, _| {
                let named = format!("{behaviour:?}");
                world.script(To::Env(BEHAVES.into(), named.clone()), script(behaviour));
                (Program::Static, BTreeMap::from([(BEHAVES.to_string(), named)]))
            }),
            advance: Box::new(move |length| {
                clock.advance(length);
                Box::pin(tokio::task::yield_now())
            }),
        }
    })
    .await;
}

#[tokio::test]
async fn the_edge_is_as_it_must_be() {
    let (_clock, world) = fresh();
    edge::edge(&world.edge()).await;
}
