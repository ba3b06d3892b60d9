//! `tow artifact`: what builds made.

mod list;
mod prune;
mod push;
mod show;

pub(crate) use show::text;

use crate::context::Context;
use crate::failure::Verdict;

/// List, show, prune or push what builds made
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(list::Args),
    Show(show::Args),
    Prune(prune::Args),
    Push(push::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => list::run(cx, args).await,
        Verb::Show(args) => show::run(cx, args).await,
        Verb::Prune(args) => prune::run(cx, args).await,
        Verb::Push(args) => push::run(cx, args).await,
    }
}
