//! `tow job run [COMPONENT] WORKLOAD`.

use crate::commands::run::{Stay, stay};
use crate::context::{Context, OfWorkload};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::run::create::{Body, CreateRun};
use tow_names::Duration;

/// Run a job: a workload of kind job or cron, now
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: OfWorkload,
    /// How long an attempt may take, as in 30m (else what the workload says)
    #[arg(long, value_name = "TIME")]
    timeout: Option<Duration>,
    /// How often it is tried again (else what the workload says)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: Option<u32>,
    #[command(flatten)]
    how: Stay,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (at, workload) = args.which.taken_apart();
    let body = Body {
        component: at.component()?,
        environment: Some(at.environment()),
        workload,
        command: None,
        timeout: args.timeout,
        retries: args.retries,
    };
    let run = cx.client()?.call::<CreateRun>(&Nothing {}, &Nothing {}, &body).await?;
    stay(cx, run, args.how).await
}
