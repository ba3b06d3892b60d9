//! What an engine can do on this machine now.

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tow_engine::Engine;
use tow_record::{Can, Executes, Isolation, RuntimeFacts};

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
