//! The pods a deployment wants, and the order in which their containers start.

use std::collections::BTreeMap;
use tow_model::kinds::workload::{ReadyState, Workload};
use tow_names::Digest;
use tow_record::{Deployment, Executes, Release};

/// One wanted replica of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodWanted {
    /// `metadata.name` of the Score file.
    pub workload: String,
    /// From 0.
    pub replica: u32,
    /// Equal revisions are interchangeable.
    pub revision: String,
    /// In the order in which they start.
    pub containers: Vec<String>,
}

/// What makes pods interchangeable: the same release, configuration, runtime and salt. Replicas don't count, so that a scale
/// keeps what runs.
pub fn revision(deployment: &Deployment) -> String {
    let mut parts = vec![
        serde_json::json!(deployment.place),
        serde_json::json!(deployment.release),
        serde_json::json!(deployment.config),
        serde_json::json!(deployment.variables),
        serde_json::json!(deployment.salt),
    ];
    // Not said where it is what there was before runtimes could be told apart: what runs since then stays.
    if deployment.runtime != Executes::default() {
        parts.push(serde_json::json!(deployment.runtime));
    }
    let parts = serde_json::Value::from(parts);
    Digest::of(parts.to_string().as_bytes()).short().to_string()
}

/// All wanted pods, by workload and replica.
pub fn pods(release: &Release, deployment: &Deployment) -> Vec<PodWanted> {
    let revision = revision(deployment);
    let mut all = Vec::new();
    for (name, workload) in &release.workloads {
        let containers = container_order(&workload.score);
        for replica in 0..deployment.replicas.get(name).copied().unwrap_or(0) {
            all.push(PodWanted {
                workload: name.clone(),
                replica,
                revision: revision.clone(),
                containers: containers.clone(),
            });
        }
    }
    all
}

/// Containers in the order in which they start: `A.before.B` starts A first; else by name. `formats` has refused
/// cycles; should there be one, its members come last, by name.
pub fn container_order(score: &Workload) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    while order.len() < score.containers.len() {
        let free = score.containers.keys().find(|name| {
            !order.contains(name)
                && predecessors(score, name).keys().all(|before| order.contains(before))
        });
        let next = free.or_else(|| score.containers.keys().find(|name| !order.contains(name)));
        match next {
            Some(name) => order.push(name.clone()),
            None => break,
        }
    }
    order
}

/// The containers that `container` waits for, and how far each must be.
pub(crate) fn predecessors(score: &Workload, container: &str) -> BTreeMap<String, ReadyState> {
    score
        .containers
        .iter()
        .filter(|(name, _)| name.as_str() != container)
        .filter_map(|(name, spec)| Some((name.clone(), spec.before.get(container)?.ready)))
        .collect()
}

/// Does another container wait for this one to complete? Then it is to end, and is not started again.
pub(crate) fn is_to_complete(score: &Workload, container: &str) -> bool {
    score
        .containers
        .get(container)
        .is_some_and(|c| c.before.values().any(|b| b.ready == ReadyState::Complete))
}
