//! `tow cron pause [COMPONENT] WORKLOAD`.

use super::body;
use crate::context::{Context, OfWorkload};
use crate::failure::Verdict;
use crate::render::{short, time};
use tow_api::Nothing;
use tow_api::cron::pause::PauseCron;

/// Fire nothing of a schedule for now; what runs goes on
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: OfWorkload,
    /// Why, for whoever finds it paused
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = body(args.which, args.why)?;
    let cron = cx.client()?.call::<PauseCron>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&cron, || {
        let by = cron.paused.as_ref().map(|paused| (time(paused.at), short(&paused.by)));
        let (at, by) = by.unwrap_or_default();
        format!("{} of {} is paused since {at} by {by}", cron.workload, short(&cron.component))
    })
}
