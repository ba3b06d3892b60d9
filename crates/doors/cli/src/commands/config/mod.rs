//! `tow config`: values that workloads see in their environment.

mod list;
mod set;
mod unset;

use crate::context::Context;
use crate::failure::Verdict;

/// Set, unset or list configuration; each change is a deployment
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Set(set::Args),
    Unset(unset::Args),
    List(list::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Set(args) => set::run(cx, args).await,
        Verb::Unset(args) => unset::run(cx, args).await,
        Verb::List(args) => list::run(cx, args).await,
    }
}
