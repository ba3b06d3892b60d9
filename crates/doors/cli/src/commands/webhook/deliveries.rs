//! `tow webhook deliveries ID`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use crate::list::{Listed, Page};
use crate::render::{or_dash, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::webhook::deliveries::{DeliveryView, ListDeliveries, Query};
use tow_record::AttemptOutcome;

/// Show what became of the events it carried, the latest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    page: Page,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, query) = (args.which.path(), Query { limit: Some(args.page.limit) });
    let reply = cx.client()?.call::<ListDeliveries>(&path, &query, &Nothing {}).await?;
    cx.printer.page(reply.items, args.page)
}

impl Listed for DeliveryView {
    const HEAD: &'static [&'static str] =
        &["EVENT", "KIND", "STATE", "TRIES", "NEXT TRY (UTC)", "LAST ANSWER"];
    const EMPTY: &'static str = "nothing was carried yet";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(self.seq),
            Cell::new(&self.kind),
            Cell::new(self.state.as_str()),
            Cell::new(self.tries),
            Cell::new(or_dash(self.next_at.map(time))),
            Cell::new(match self.attempts.last().map(|attempt| &attempt.outcome) {
                None => String::new(),
                Some(AttemptOutcome::Unknown) => "not known".into(),
                Some(AttemptOutcome::Answered { status, excerpt, .. }) => {
                    format!("{status} {excerpt}").trim_end().to_string()
                }
                Some(AttemptOutcome::Failed { why, .. }) => why.clone(),
            }),
        ]
    }
}
