//! `tow config unset NAME…`.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::follow::{self, How};
use std::collections::BTreeMap;
use tow_api::plan::create::ChangeRequest;

/// Take values away and deploy without them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Their names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let change = ChangeRequest::Config { set: BTreeMap::new(), unset: args.names };
    let body = crate::commands::rollback::request(&args.at, change)?;
    follow::change(cx, follow::now(), &body, &args.how).await
}
