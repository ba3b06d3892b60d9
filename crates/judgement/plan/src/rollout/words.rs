//! What a rollout does just now, in a few words for whoever looks at the place.

use super::hold::clock;
use tow_model::kinds::{bake::Watched, environment::EnvironmentSpec};
use tow_record::{Operation, Placement, Stage};

/// What an operation does that takes its time on purpose; none: nothing that lasts.
pub fn under_way(
    op: &Operation,
    placement: &Placement,
    environment: &EnvironmentSpec,
) -> Option<String> {
    let progress = &op.progress;
    if let (Some(failure), Some(before)) = (&op.failure, &progress.before) {
        return Some(format!("goes back to deployment {}: {}", before.deployment, failure.message));
    }
    let what = match (progress.stage, &placement.trying) {
        (Stage::Shift, Some(trying)) => Some(format!("canary {}%", trying.weight)),
        (Stage::Shift, None) => Some("replaced a few at a time".to_string()),
        (Stage::Bake, _) => {
            let watched = Watched::of(environment.tier, environment.bake.as_ref());
            let until = progress.since.zip(watched).map(|(since, w)| since.plus(w.time));
            until.map(|until| format!("baking until {}", clock(until)))
        }
        _ => None,
    };
    let paused = progress.paused.as_ref().map(|held| format!("paused by {}", held.by));
    match (what, paused) {
        (Some(what), Some(paused)) => Some(format!("{what}, {paused}")),
        (what, paused) => what.or(paused),
    }
}
