//! Container engines: those that Runtimes name, and the one that is found where none does. None is needed to run.

use super::finding::Finding;
use super::scene::Scene;
use std::collections::BTreeMap;
use std::time::Duration;
use tow_platform::Engine;

const CHECK: &str = "engine";

/// How long all engines together may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks each engine that a Runtime names, and the usual places, no longer than one glance each.
pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let declared = scene.store.as_ref().and_then(|seen| seen.as_ref().ok());
    // Several Runtimes may name one engine: it is asked once.
    let mut asked: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for (name, engine) in declared.map(|seen| seen.engines.clone()).unwrap_or_default() {
        asked.entry(engine).or_default().push(name);
    }
    asked.entry(None).or_default();
    let any = asked.keys().any(Option::is_some);
    let mut found = Vec::new();
    for (engine, runtimes) in &asked {
        let answer = runtime.block_on(async {
            let look = tow_platform::engine(engine.as_deref());
            let late = |_| Err("it does not answer".to_string());
            tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(late)
        });
        if runtimes.is_empty() && any && answer.is_err() {
            continue;
        }
        found.push(judge(runtimes, engine.as_deref(), answer));
    }
    found
}

fn judge(runtimes: &[String], named: Option<&str>, found: Result<Engine, String>) -> Finding {
    let whose = match runtimes {
        [] => String::new(),
        names => format!(", of runtime {}", names.join(", ")),
    };
    match found {
        Ok(Engine { socket, name, architecture }) => {
            let at = socket.display();
            Finding::ok(CHECK, format!("{name} at {at}, for {architecture}{whose}"))
        }
        // A machine whose environments all run processes wants for nothing.
        Err(why) if runtimes.is_empty() => {
            Finding::ok(CHECK, format!("none, so no image can be run: {why}"))
        }
        Err(why) => {
            let which = named.unwrap_or("the usual places");
            Finding::warn(CHECK, format!("no engine answers at {which}{whose}: {why}"))
                .cause("nothing is started or stopped in its environments until it is back")
                .fix("start it, or name another as engine in the Runtime")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    fn engine() -> Engine {
        Engine {
            socket: "/run/engine.sock".into(),
            name: "Engine 4.3".into(),
            architecture: "amd64".into(),
        }
    }

    #[test]
    fn an_engine_is_named_and_none_is_no_fault() {
        assert!(judge(&[], None, Ok(engine())).seen.contains("Engine 4.3 at /run/engine.sock"));
        let none = judge(&[], None, Err("nothing answers".into()));
        assert_eq!(none.state, State::Ok);
        assert!(none.seen.contains("nothing answers"));
    }

    #[test]
    fn the_engine_of_a_runtime_is_missed() {
        let boxes = ["boxes".to_string()];
        let there = judge(&boxes, Some("unix:///run/engine.sock"), Ok(engine()));
        assert!(there.state == State::Ok && there.seen.contains("of runtime boxes"));
        let gone = judge(&boxes, Some("unix:///run/engine.sock"), Err("connection refused".into()));
        assert_eq!(gone.state, State::Warn);
        assert!(gone.seen.contains("boxes") && gone.seen.contains("/run/engine.sock"));
    }
}
