//! `tow webhook list`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::list::Listed;
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::webhook::list::{ListWebhooks, WebhookView};

/// List webhooks, without their secrets
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(cx: &Context, _: Args) -> Verdict {
    let reply = cx.client()?.call::<ListWebhooks>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for WebhookView {
    const HEAD: &'static [&'static str] =
        &["ID", "STATE", "EVENTS", "DELIVERED", "REACHED", "URL", "NOTE"];
    const EMPTY: &'static str = "no webhooks";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.id),
            Cell::new(if self.paused.is_some() { "paused" } else { "carrying" }),
            Cell::new(self.events.join(",")),
            Cell::new(self.delivered),
            Cell::new(self.reached),
            Cell::new(&self.url),
            Cell::new(&self.note),
        ]
    }
}
