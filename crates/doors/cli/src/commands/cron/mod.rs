//! `tow cron`: workloads with a schedule.

mod list;
mod pause;
mod resume;
mod trigger;

use crate::context::{Context, OfWorkload};
use crate::failure::Verdict;
use tow_api::cron::pause::Body;

/// See schedules; run one now, pause it, let it go on
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(list::Args),
    Trigger(trigger::Args),
    Pause(pause::Args),
    Resume(resume::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => list::run(cx, args).await,
        Verb::Trigger(args) => trigger::run(cx, args).await,
        Verb::Pause(args) => pause::run(cx, args).await,
        Verb::Resume(args) => resume::run(cx, args).await,
    }
}

/// Which schedule.
fn body(which: OfWorkload, why: String) -> Verdict<Body> {
    let (at, workload) = which.taken_apart();
    Ok(Body { component: at.component()?, environment: Some(at.environment()), workload, why })
}
