//! `tow tls`: what the gateway shows to those who come by HTTPS.

mod add;
mod list;
mod remove;
mod trust;

use crate::context::Context;
use crate::failure::Verdict;

/// Certificates of the gateway: list, bring and take away, trust the platform's own
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(list::Args),
    Add(add::Args),
    Remove(remove::Args),
    Trust(trust::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => list::run(cx, args).await,
        Verb::Add(args) => add::run(cx, args).await,
        Verb::Remove(args) => remove::run(cx, args).await,
        Verb::Trust(args) => trust::run(cx, args).await,
    }
}
