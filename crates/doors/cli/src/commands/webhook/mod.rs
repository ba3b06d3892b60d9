//! `tow webhook`: who outside is told of events.

mod create;
mod delete;
mod deliveries;
mod list;
mod pause;
mod redeliver;
mod resume;
mod show;
mod test;

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::webhook::get::Path;

/// Tell others of events: create, list, watch, pause, repeat and try webhooks
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Create(create::Args),
    List(list::Args),
    Show(show::Args),
    Delete(delete::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Deliveries(deliveries::Args),
    Redeliver(redeliver::Args),
    Test(test::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Create(args) => create::run(cx, args).await,
        Verb::List(args) => list::run(cx, args).await,
        Verb::Show(args) => show::run(cx, args).await,
        Verb::Delete(args) => delete::run(cx, args).await,
        Verb::Pause(args) => pause::run(cx, args).await,
        Verb::Resume(args) => resume::run(cx, args).await,
        Verb::Deliveries(args) => deliveries::run(cx, args).await,
        Verb::Redeliver(args) => redeliver::run(cx, args).await,
        Verb::Test(args) => test::run(cx, args).await,
    }
}

/// Which webhook.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Its id
    id: String,
}

impl Which {
    fn path(self) -> Path {
        Path { webhook: self.id }
    }
}
