//! `tow job`: commands that are to end.

mod cancel;
mod list;
mod run;
mod show;

use crate::context::Context;
use crate::failure::Verdict;

/// Run jobs, and see what became of runs: jobs, schedules, release commands, one-off commands
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(list::Args),
    Show(show::Args),
    Run(run::Args),
    Cancel(cancel::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => list::run(cx, args).await,
        Verb::Show(args) => show::run(cx, args).await,
        Verb::Run(args) => run::run(cx, args).await,
        Verb::Cancel(args) => cancel::run(cx, args).await,
    }
}
