//! What an engine can do on this machine now.

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tow_engine::Engine;
use tow_record::{Bounds, Can, Executes, Isolation, RuntimeFacts};

/// How long the engine may take to tell.
const GLANCE: Duration = Duration::from_secs(10);

/// What containers can do, whatever the engine.
pub(crate) fn can(runtime: &Executes) -> BTreeSet<Can> {
    let mut can = BTreeSet::from([
        Can::Images,
        Can::AbsoluteFiles,
        Can::Volumes,
        Can::MemoryLimit,
        Can::CpuLimit,
        Can::ProcessLimit,
        Can::OwnNetwork,
        Can::PodNetwork,
        Can::OtherUser,
        Can::ReadOnlyRoot,
        Can::Exec,
    ]);
    if !runtime.spec.bases.is_empty() {
        can.insert(Can::Artifacts);
    }
    can
}

/// What is held where nothing is said, as in a sandbox: one that forks without end must not take the machine along.
const PROCESSES: u64 = 4096;

/// What a container is held to: what was ordered, and by itself no fork bomb and not all of the machine's memory. What the
/// engine can't keep is not asked of it.
pub(crate) async fn bounds(engine: &Engine, ordered: Bounds) -> Bounds {
    let said = engine.glance("/info", GLANCE).await.unwrap_or_default();
    with_defaults(ordered, &said)
}

fn with_defaults(ordered: Bounds, said: &Value) -> Bounds {
    let keeps = |name: &str| said[name] != Value::Bool(false);
    let memory = said["MemTotal"].as_u64().filter(|total| *total > 0 && keeps("MemoryLimit"));
    let processes = keeps("PidsLimit").then_some(PROCESSES);
    Bounds {
        memory: ordered.memory.or(memory.map(|total| total / 5 * 4)),
        processes: ordered.processes.or(processes),
        ..ordered
    }
}

/// Of a runtime of type `container`.
pub(crate) async fn facts(runtime: &Executes) -> RuntimeFacts {
    let can = can(runtime);
    let mut facts =
        RuntimeFacts { isolation: Isolation::Container, can, unavailable: None, notes: Vec::new() };
    let found = match tow_engine::find(runtime.spec.engine.as_deref()).await {
        Ok(found) => found,
        Err(why) => {
            facts.unavailable = Some(why);
            return facts;
        }
    };
    match Engine::at(found.socket).glance("/info", GLANCE).await {
        // It is there; what it can't do it would have said.
        Err(_) => {}
        Ok(said) => {
            for (name, what) in [
                ("MemoryLimit", Can::MemoryLimit),
                ("CpuCfsQuota", Can::CpuLimit),
                ("PidsLimit", Can::ProcessLimit),
            ] {
                if said[name] == Value::Bool(false) {
                    facts.can.remove(&what);
                    facts.notes.push(format!("{} can't keep a {what} here", found.name));
                }
            }
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_bounded_is_bounded_where_the_engine_can() {
        let said = json!({ "MemTotal": 1000, "MemoryLimit": true, "PidsLimit": true });
        let by_itself = with_defaults(Bounds::default(), &said);
        assert_eq!((by_itself.memory, by_itself.processes), (Some(800), Some(PROCESSES)));
        let own = Bounds { memory: Some(7), processes: Some(8), ..Bounds::default() };
        assert_eq!(with_defaults(own, &said), own);
        let weak = json!({ "MemTotal": 1000, "MemoryLimit": false, "PidsLimit": false });
        assert_eq!(with_defaults(Bounds::default(), &weak), Bounds::default());
        assert_eq!(with_defaults(Bounds::default(), &Value::Null).memory, None);
    }
}
