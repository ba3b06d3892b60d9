//! `tow cron resume [COMPONENT] WORKLOAD`.

use super::body;
use crate::context::{Context, OfWorkload};
use crate::failure::Verdict;
use crate::render::{short, time};
use tow_api::Nothing;
use tow_api::cron::resume::ResumeCron;

/// Let a paused schedule go on; what was due meanwhile is not made good
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: OfWorkload,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = body(args.which, String::new())?;
    let cron = cx.client()?.call::<ResumeCron>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&cron, || {
        let next = cron.next.map_or_else(|| "never".to_string(), time);
        format!("{} of {} is due next {next}", cron.workload, short(&cron.component))
    })
}
