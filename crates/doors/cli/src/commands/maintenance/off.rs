//! `tow maintenance off`.

use crate::commands::resume;
use crate::context::{Context, Named};
use crate::failure::Verdict;
use tow_api::route::serve::Ending;

/// Hand requests on again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    resume::serve(cx, args.at, Ending::Maintenance).await
}
