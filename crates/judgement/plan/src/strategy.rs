//! How a new release takes over from the old one: both at once, a few at a time, on some clients first, or the old one
//! stopped before the new one starts.

use crate::{Delivered, meaning};
use std::collections::BTreeMap;
use tow_model::kinds::{
    delivery::{CanaryStep, Strategy},
    workload::Workload,
};

/// How a whole release takes over: its workloads go on as one, whatever each of them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// All new pods are there, then all clients change over.
    AtOnce,
    /// A few at a time.
    Rolling,
    /// On some clients first.
    Canary {
        /// One after the other.
        steps: Vec<CanaryStep>,
        /// Tells whom a request wants.
        header: String,
    },
}

/// The course of a release. Where its workloads say different things, the more careful one is taken.
pub fn course(deliveries: &BTreeMap<&str, Delivered>) -> Course {
    let says =
        |said: &&Delivered, strategy| said.strategy == Some(strategy) && meaning(said.kind).pods;
    let mut all = deliveries.values();
    let canary = all.clone().find(|said| says(said, Strategy::Canary) && meaning(said.kind).routed);
    match canary {
        Some(said) => Course::Canary { steps: said.steps.clone(), header: said.header.clone() },
        None if all.any(|said| says(&said, Strategy::Rolling)) => Course::Rolling,
        None => Course::AtOnce,
    }
}

/// Why the old pods of a workload are stopped before its new ones start; none: they are there together.
pub fn recreate(score: &Workload, delivered: &Delivered) -> Option<String> {
    match delivered.strategy {
        Some(Strategy::BlueGreen) => None,
        Some(Strategy::Recreate) => Some("tow.yaml says so".into()),
        // Old and new ones side by side for a while is what these are about; a writer can't be.
        None | Some(Strategy::Rolling | Strategy::Canary) => written(score)
            .map(|volume| format!("it writes to {volume}, and a volume has one writer at a time")),
    }
}

/// A volume that it writes to, as the Score file names it.
pub(crate) fn written(score: &Workload) -> Option<String> {
    let mounts = score.containers.values().flat_map(|container| container.volumes.values());
    let mut written = mounts.filter(|volume| volume.read_only != Some(true));
    written.next().map(|volume| {
        let name = volume.source.strip_prefix("${resources.").and_then(|n| n.strip_suffix('}'));
        format!("volume {}", name.unwrap_or(&volume.source))
    })
}
