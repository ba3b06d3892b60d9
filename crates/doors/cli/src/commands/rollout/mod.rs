//! `tow rollout`: what is under way, while it takes its time.

mod abort;
mod pause;
mod resume;
mod status;

use crate::context::{Context, Named};
use crate::failure::Verdict;
use crate::render::short;
use tow_api::rollout::list::RolloutView;
use tow_api::rollout::pause::Body;

/// See how far a rollout is; let it stay, go on or go back
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Status(status::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Abort(abort::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Status(args) => status::run(cx, args).await,
        Verb::Pause(args) => pause::run(cx, args).await,
        Verb::Resume(args) => resume::run(cx, args).await,
        Verb::Abort(args) => abort::run(cx, args).await,
    }
}

fn body(at: Named) -> Verdict<Body> {
    let at = at.place();
    Ok(Body { component: at.component()?, environment: Some(at.environment()) })
}

/// One rollout, after it was told something.
fn told(cx: &Context, mut view: RolloutView) -> Verdict {
    view.component = short(&view.component);
    cx.printer.data(&view, || format!("{} in {}: {}", view.component, view.environment, view.doing))
}
