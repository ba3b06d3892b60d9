//! `tow cron trigger [COMPONENT] WORKLOAD`.

use super::body;
use crate::commands::run::{Stay, stay};
use crate::context::{Context, OfWorkload};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::cron::trigger::TriggerCron;

/// Run a workload with a schedule now, whether or not it is due
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: OfWorkload,
    #[command(flatten)]
    how: Stay,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = body(args.which, String::new())?;
    let run = cx.client()?.call::<TriggerCron>(&Nothing {}, &Nothing {}, &body).await?;
    stay(cx, run, args.how).await
}
