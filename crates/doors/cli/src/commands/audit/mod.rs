//! `tow audit`: the log of events as evidence.

mod erase;
mod export;
mod head;
mod list;
mod verify;

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::audit::list::Query;

/// Search the log of events, prove it, hand it out, erase from it
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(list::Args),
    Verify(verify::Args),
    Head(head::Args),
    Export(export::Args),
    Erase(erase::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => list::run(cx, args).await,
        Verb::Verify(args) => verify::run(cx, args).await,
        Verb::Head(args) => head::run(cx, args).await,
        Verb::Export(args) => export::run(cx, args).await,
        Verb::Erase(args) => erase::run(cx, args).await,
    }
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only what this one did, as in ann or system:rollout
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only of this kind, or of all that begin so, as in deployment.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only about this, as in web or component:default/web@production
    #[arg(long, value_name = "REFERENCE")]
    subject: Option<String>,
    /// Not before this: a time, a day, or so long ago, as in 2026-11-01 or 24h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this, in the same words
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only with this in actor, kind, subject or body
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

impl Filter {
    fn query(self) -> Query {
        let Self { actor, kind, subject, since, until, text } = self;
        Query { actor, kind, subject, since, until, text, ..Query::default() }
    }
}
