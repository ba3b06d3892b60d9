//! `tow route`: who answers which requests.

mod explain;
mod list;

use crate::context::Context;
use crate::failure::Verdict;

/// List routes; say which one answers a URL, and why
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(list::Args),
    Explain(explain::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => list::run(cx, args).await,
        Verb::Explain(args) => explain::run(cx, args).await,
    }
}
