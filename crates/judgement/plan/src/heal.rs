//! Does a place need repair? The wanted deployment's pods against what is seen: after a restart of the machine, or when
//! a process and its shim are gone for good.

use crate::{PodWanted, rollout::usable};
use tow_record::{Instance, Observed, Placement};

/// What ails a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailment {
    /// For people.
    pub message: String,
}

/// Looks for pods that are wanted and can't come back by themselves, and for rows that nothing wants. Only asked
/// where no operation is under way.
pub fn ailment(
    placement: &Placement,
    wanted: &[PodWanted],
    rows: &[Instance],
    observed: &Observed,
) -> Option<Ailment> {
    let wanted: &[PodWanted] = if placement.stopped { &[] } else { wanted };
    for pod in wanted {
        for container in &pod.containers {
            let found = rows.iter().any(|row| {
                row.workload == pod.workload
                    && row.replica == pod.replica
                    && row.container == *container
                    && row.revision == pod.revision
                    && usable(row, observed)
            });
            if !found {
                return Some(Ailment {
                    message: format!("{}/{} {container} is gone", pod.workload, pod.replica),
                });
            }
        }
    }
    rows.iter()
        .find(|row| {
            !wanted.iter().any(|pod| {
                pod.workload == row.workload
                    && pod.replica == row.replica
                    && pod.revision == row.revision
                    && usable(row, observed)
            })
        })
        .map(|row| Ailment { message: format!("{} is left over", row.id) })
}
