//! `tow rollout pause`.

use crate::context::{Context, Named};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::rollout::pause::PauseRollout;

/// Let a rollout go no further than it is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = super::body(args.at)?;
    let view = cx.client()?.call::<PauseRollout>(&Nothing {}, &Nothing {}, &body).await?;
    super::told(cx, view)
}
