//! `tow job cancel RUN`.

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::run::cancel::CancelRun;
use tow_api::run::get::{GetRun, Path, Query};

/// Stop a run, and let it not be tried again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id
    #[arg(value_name = "RUN")]
    run: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { run: args.run };
    let before = cx.client()?.call::<GetRun>(&path, &Query { after: None }, &Nothing {}).await?;
    let run = cx.client()?.call::<CancelRun>(&path, &Nothing {}, &Nothing {}).await?;
    match before.finished {
        true => cx.printer.say(&format!("{} had ended already; nothing was changed", run.id)),
        false => cx.printer.say(&format!("{} is told to stop", run.id)),
    }
    super::show::print(cx, &run)
}
