//! `tow user`: how people get in.

mod add;
mod invite;
mod passwd;

use crate::context::Context;
use crate::failure::Verdict;

/// Add and invite people, and set passwords
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Add(add::Args),
    Passwd(passwd::Args),
    Invite(invite::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Add(args) => add::run(cx, args).await,
        Verb::Passwd(args) => passwd::run(cx, args).await,
        Verb::Invite(args) => invite::run(cx, args).await,
    }
}
