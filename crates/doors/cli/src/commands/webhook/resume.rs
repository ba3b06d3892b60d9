//! `tow webhook resume ID`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::webhook::resume::ResumeWebhook;

/// Go on from the event at which it stopped
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = args.which.path();
    let hook = cx.client()?.call::<ResumeWebhook>(&path, &Nothing {}, &Nothing {}).await?;
    super::show::print(cx, &hook)
}
