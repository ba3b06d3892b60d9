//! `tow access`: who may do what, and why.

mod list;
pub(crate) mod why;

use crate::context::Context;
use crate::failure::Verdict;

/// Show who may do what, and why
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Why(why::Args),
    List(list::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Why(args) => why::run(cx, args).await,
        Verb::List(args) => list::run(cx, args).await,
    }
}
