//! `tow rollout abort`.

use crate::context::{Context, Named};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::rollout::abort::AbortRollout;

/// Break a rollout off: what was before serves again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = super::body(args.at)?;
    let view = cx.client()?.call::<AbortRollout>(&Nothing {}, &Nothing {}, &body).await?;
    super::told(cx, view)
}
