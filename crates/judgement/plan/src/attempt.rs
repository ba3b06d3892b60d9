//! What an attempt of a run is made of: the workload's own container, but with an end.

use crate::{SpecError, SpecInput, instance_spec};
use std::collections::BTreeMap;
use tow_model::kinds::workload::Workload;
use tow_record::{InstanceSpec, Probe, Release, Restart, Run};

/// The container that runs are made of: `main`; else the one that is built from the component's folder; else the one
/// that starts last.
pub fn run_container(score: &Workload) -> Option<String> {
    let built = || score.containers.iter().find(|(_, spec)| spec.image == ".");
    if score.containers.contains_key("main") {
        return Some("main".into());
    }
    built().map(|(name, _)| name.clone()).or_else(|| crate::container_order(score).pop())
}

/// Puts the spec of an attempt together: environment, files, volumes, limits and isolation are those of the workload's
/// container; it has no ports, nothing is asked of it but to end, and it is not started again.
pub fn attempt_spec(input: SpecInput<'_>, run: &Run) -> Result<InstanceSpec, SpecError> {
    let mut release: Release = input.release.clone();
    let container = release
        .workloads
        .get_mut(&run.workload)
        .and_then(|file| file.score.containers.get_mut(&run.container))
        .ok_or_else(|| {
            let SpecInput { release, .. } = input;
            SpecError(format!(
                "release {} has no container {} in {}",
                release.number, run.container, run.workload
            ))
        })?;
    if let Some(command) = &run.command {
        container.command = Some(command.clone());
        container.args = None;
    }
    container.readiness_probe = None;
    container.liveness_probe = None;
    let mut spec = instance_spec(SpecInput { release: &release, ..input })?;
    spec.ports = Vec::new();
    spec.readiness = Probe::Alive;
    spec.liveness = None;
    spec.restart = Restart::Never;
    spec.before_stop = None;
    spec.grace = run.grace;
    spec.time_limit = Some(run.timeout);
    spec.title = format!("{} {}", run.kind.as_str(), run.workload);
    // It is nobody's pod: its network is its own where there are any.
    spec.setting.pod = spec.id.to_string();
    spec.setting.inside = BTreeMap::new();
    spec.env.insert("TOW_RUN".into(), run.id.to_string());
    spec.env.insert("TOW_ATTEMPT".into(), run.attempt.to_string());
    if let Some(at) = run.scheduled_at {
        spec.env.insert("TOW_SCHEDULED_AT".into(), at.to_string());
    }
    Ok(spec)
}
