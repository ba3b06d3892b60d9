//! After a restart, and before every decision: what became of a step that was begun? Answered from the world alone.

use std::collections::BTreeMap;
use tow_names::Id;
use tow_record::{Effect, Exit, Mark, Observed, Run, RunState, Step};

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Its effect is there.
    Done,
    /// It is under way.
    Pending,
    /// Its effect is not there: perform it (again); effects are idempotent by their key.
    NotDone,
    /// It was performed and did not succeed.
    Failed(String),
    /// The world can't say.
    Unknowable,
}

/// Looks a begun step up in the world. `stored` is the table as it is kept now, for switches that do not say which one
/// they wrote; `runs` those that its steps point at.
pub fn settled(
    step: &Step,
    build: Option<&Id>,
    stored: Mark,
    runs: &BTreeMap<Id, Run>,
    seen: &Observed,
) -> Settled {
    match &step.effect {
        Effect::Build { .. } => match build.and_then(|id| seen.builds.get(id)) {
            None => Settled::NotDone,
            Some(build) if build.running => Settled::Pending,
            Some(build) if build.artifact.is_some() => Settled::Done,
            Some(build) if build.exit == Some(Exit::Unknown) => {
                Settled::Failed("the build's end was not seen".into())
            }
            Some(build) => Settled::Failed(build.message.clone()),
        },
        Effect::Start { instance } => match seen.instances.get(&instance.id) {
            Some(_) => Settled::Done,
            None => Settled::NotDone,
        },
        Effect::Note => Settled::Done,
        // The run was made in the commit that began the step; who carries it through is another.
        Effect::Run { run } => match runs.get(run) {
            None => Settled::Failed("its run is gone".into()),
            Some(run) if !run.state.is_terminal() => Settled::Pending,
            Some(run) if run.state == RunState::Succeeded => Settled::Done,
            Some(run) => Settled::Failed(crate::run::ending(run)),
        },
        Effect::Switch { mark, .. } => {
            if !seen.edge.reachable {
                Settled::Unknowable
            } else if seen.edge.mark() >= mark.unwrap_or(stored) {
                Settled::Done
            } else {
                Settled::NotDone
            }
        }
        Effect::Stop { instance, .. } => match seen.instances.get(instance) {
            Some(seen) if seen.phase == tow_record::Phase::Stopping => Settled::Pending,
            Some(seen) if seen.may_run() => Settled::NotDone,
            _ => Settled::Done,
        },
        Effect::Remove { instance } => match seen.instances.get(instance) {
            Some(_) => Settled::NotDone,
            None => Settled::Done,
        },
    }
}
