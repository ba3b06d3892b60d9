//! What processes of this machine can be given, as the machine is now.

use std::collections::BTreeSet;
use tow_record::{Can, Executes, Isolation, RuntimeFacts};

/// Of a runtime of type `process`.
pub(crate) fn facts(runtime: &Executes) -> RuntimeFacts {
    let isolation = runtime.isolation();
    let unavailable = (isolation != Isolation::None)
        .then(|| format!("isolation of level {isolation} is not there on this machine"));
    RuntimeFacts {
        isolation: Isolation::None,
        can: BTreeSet::from([Can::Artifacts, Can::HandedSockets]),
        unavailable,
        notes: Vec::new(),
    }
}
