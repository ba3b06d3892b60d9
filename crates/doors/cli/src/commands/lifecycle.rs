//! `tow restart`, `tow stop`, `tow start`: the same request with another word.

use crate::context::{Context, Named};
use crate::failure::Verdict;
use crate::follow::{self, How};
use tow_api::plan::create::ChangeRequest;

// The help's first line stands at each verb.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args, change: ChangeRequest) -> Verdict {
    let body = super::rollback::request(&args.at.place(), change)?;
    follow::change(cx, follow::now(), &body, &args.how).await
}
