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
        "OLD FAILED",
        "DOES",
    ];
    const EMPTY: &'static str = "nothing is being rolled out";

    fn row(&self) -> Vec<Cell> {
        let failed = |counted: &Counted| format!("{} of {}", counted.errors, counted.requests);
        // The first look has nothing before it to count from.
        let window = self.window.filter(|window| window.micros() > 0);
        let over = window.map(|window| format!(" in {} s", window.micros() / 1_000_000));
        let new = over.as_ref().map(|over| format!("{}{over}", failed(&self.new)));
        let old = match (&over, self.beside) {
            (Some(over), true) => Some(format!("{}{over}", failed(&self.old))),
            (_, false) if self.before.is_some() => Some(format!("{} till then", failed(&self.old))),
            _ => None,
        };
        vec![
            Cell::new(&self.component),
            Cell::new(&self.environment),
            Cell::new(or_dash(self.deployment)),
            Cell::new(or_dash(self.release)),
            Cell::new(time(self.since.unwrap_or(self.started_at))),
            Cell::new(or_dash(new)),
            Cell::new(or_dash(old)),
            Cell::new(&self.doing),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
