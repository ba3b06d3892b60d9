//! `tow user`: how people get in.

mod invite;
mod passwd;

use crate::context::Context;
use crate::failure::Verdict;

/// Set passwords and invite people
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Passwd(passwd::Args),
    Invite(invite::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Passwd(args) => passwd::run(cx, args).await,
        Verb::Invite(args) => invite::run(cx, args).await,
    }
}
