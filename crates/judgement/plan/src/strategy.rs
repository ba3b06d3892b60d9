//! How a new release takes over from the old one: both at once, or the old one stopped before the new one starts.

use crate::Delivered;
use tow_model::kinds::{delivery::Strategy, workload::Workload};

/// Why the old pods of a workload are stopped before its new ones start; none: they are there together.
pub fn recreate(score: &Workload, delivered: &Delivered) -> Option<String> {
    match delivered.strategy {
        Some(Strategy::BlueGreen) => None,
        Some(Strategy::Recreate) => Some("tow.yaml says so".into()),
        None => written(score)
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
