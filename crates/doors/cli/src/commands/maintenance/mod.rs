//! `tow maintenance`: requests are refused for a while, politely.

mod off;
mod on;

use crate::context::Context;
use crate::failure::Verdict;

/// Refuse requests with a page for a while, or hand them on again
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    On(on::Args),
    Off(off::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::On(args) => on::run(cx, args).await,
        Verb::Off(args) => off::run(cx, args).await,
    }
}
