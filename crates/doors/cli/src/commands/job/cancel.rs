//! `tow job cancel RUN`.

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::run::cancel::CancelRun;
use tow_api::run::get::Path;

/// Stop a run, and let it not be tried again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id
    #[arg(value_name = "RUN")]
    run: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { run: args.run };
    let run = cx.client()?.call::<CancelRun>(&path, &Nothing {}, &Nothing {}).await?;
    super::show::print(cx, &run)
}
