//! `tow rollout resume`.

use crate::context::{Context, Named};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::rollout::resume::ResumeRollout;

/// Let a rollout go on that is paused, or waits at a step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = super::body(args.at)?;
    let view = cx.client()?.call::<ResumeRollout>(&Nothing {}, &Nothing {}, &body).await?;
    super::told(cx, view)
}
