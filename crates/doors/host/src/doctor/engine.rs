//! The container engine that is found where no Runtime names one: there, and of what make. None is needed to run.

use super::finding::Finding;
use super::scene::Scene;
use tow_platform::Engine;

const CHECK: &str = "engine";

/// Asks the usual places, and no longer than one glance each.
pub(super) fn look(_: &Scene) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let found = runtime.block_on(tow_platform::engine(None));
    vec![judge(found)]
}

fn judge(found: Result<Engine, String>) -> Finding {
    match found {
        Ok(engine) => {
            let Engine { socket, name, architecture } = engine;
            Finding::ok(CHECK, format!("{name} at {}, for {architecture}", socket.display()))
        }
        // A machine whose environments all run processes wants for nothing.
        Err(why) => Finding::ok(CHECK, format!("none, so no image can be run: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn an_engine_is_named_and_none_is_no_fault() {
        let engine = Engine {
            socket: "/run/engine.sock".into(),
            name: "Engine 4.3".into(),
            architecture: "amd64".into(),
        };
        assert!(judge(Ok(engine)).seen.contains("Engine 4.3 at /run/engine.sock"));
        let none = judge(Err("nothing answers".into()));
        assert_eq!(none.state, State::Ok);
        assert!(none.seen.contains("nothing answers"));
    }
}
