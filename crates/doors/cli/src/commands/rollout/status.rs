//! `tow rollout status`.

use crate::context::{Among, Context};
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{or_dash, short, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::rollout::list::{Counted, ListRollouts, RolloutView};
use tow_api::status::get::Query;

/// Show what is being rolled out, and how far it is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Among,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { component: args.at.component(), environment: args.at.environment() };
    let reply = cx.client()?.call::<ListRollouts>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for RolloutView {
    const HEAD: &'static [&'static str] = &[
        "COMPONENT",
        "ENVIRONMENT",
        "DEPLOYMENT",
        "RELEASE",
        "SINCE (UTC)",
        "NEW FAILED",
        "BEFORE",
        "DOES",
    ];
    const EMPTY: &'static str = "nothing is being rolled out";

    fn row(&self) -> Vec<Cell> {
        let failed = |counted: &Counted| format!("{} of {}", counted.errors, counted.requests);
        vec![
            Cell::new(&self.component),
            Cell::new(&self.environment),
            Cell::new(or_dash(self.deployment)),
            Cell::new(or_dash(self.release)),
            Cell::new(time(self.since.unwrap_or(self.started_at))),
            Cell::new(failed(&self.new)),
            Cell::new(failed(&self.old)),
            Cell::new(&self.doing),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
