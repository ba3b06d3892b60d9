//! `tow token`: API tokens of one's own and of machines.

mod create;
pub(crate) mod delete;
mod list;

use crate::context::Context;
use crate::failure::Verdict;

/// Create, list or delete API tokens
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Create(create::Args),
    List(list::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Create(args) => create::run(cx, args).await,
        Verb::List(args) => list::run(cx, args).await,
        Verb::Delete(args) => delete::run(cx, args).await,
    }
}
