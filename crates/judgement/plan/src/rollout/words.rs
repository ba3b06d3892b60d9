//! What a rollout does just now, in a few words for whoever looks at the place.

use super::hold::clock;
use tow_model::kinds::{bake::Watched, environment::EnvironmentSpec};
use tow_record::{Operation, Placement, Progress, Stage};

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
    if let Some(who) = progress.aborted_by.as_ref().filter(|_| progress.stage != Stage::Retire) {
        let what = match &progress.before {
            Some(before) => format!("goes back to deployment {}", before.deployment),
            None => "is taken away".into(),
        };
        return Some(format!("{what}: {} broke it off", short(who)));
    }
    let what = match (progress.stage, &placement.trying) {
        (Stage::Shift, Some(trying)) if progress.passed == Some(progress.step) => {
            Some(format!("canary {}%, goes on with the next step", trying.weight))
        }
        (Stage::Shift, Some(trying)) => Some(format!("canary {}%", trying.weight)),
        (Stage::Commit, _) => Some("takes over: the canary is over".to_string()),
        (Stage::Shift, None) => Some("replaced a few at a time".to_string()),
        (Stage::Bake, _) => {
            let watched = Watched::of(environment.tier, environment.bake.as_ref());
            let until = progress.since.zip(watched).map(|(since, w)| since.plus(w.time));
            until.map(|until| format!("baking until {}", clock(until)))
        }
        _ => None,
    };
    let paused = progress.paused.as_ref().map(|held| format!("paused by {}", short(&held.by)));
    match (what, paused) {
        (Some(what), Some(paused)) => Some(format!("{what}, {paused}")),
        (what, paused) => what.or(paused),
    }
}

/// How a stage ended in which it was to be compared: that it did no worse is said only of what was judged.
pub fn ended(progress: &Progress, environment: &EnvironmentSpec) -> String {
    let said = environment.bake.clone().unwrap_or_default();
    let numbers = Watched::numbers(&said);
    let what = if progress.stage == Stage::Bake { "bake" } else { "canary" };
    match (said.off == Some(true), progress.most) {
        (true, _) => {
            format!("the {what} is over: nothing was compared, the environment turned it off")
        }
        (false, most) if most >= numbers.requests => {
            format!("the {what} is over: it did no worse than what was before")
        }
        (false, 0) => format!("the {what} is over: no requests came to judge it by"),
        (false, most) => format!(
            "the {what} is over: too few requests came to judge it by, at most {most} in {} where it takes {}",
            numbers.window, numbers.requests
        ),
    }
}

/// Who, as people say it: `ann`, `team/ann`.
pub(super) fn short(who: &str) -> &str {
    let rest = who.split_once(':').map_or(who, |(_, rest)| rest);
    rest.strip_prefix("default/").unwrap_or(rest)
}
