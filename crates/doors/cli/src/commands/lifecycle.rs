//! `tow restart`, `tow stop`, `tow start`: the same request with another word.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::follow::{self, How};
use tow_api::plan::create::ChangeRequest;

// The help's first line stands at each verb.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args, change: ChangeRequest) -> Verdict {
    let body = super::rollback::request(&args.at, change)?;
    follow::change(cx, follow::now(), &body, &args.how).await
}
