//! `tow events`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::render::{short, time};
use futures::StreamExt;
use owo_colors::OwoColorize;
use tow_api::Nothing;
use tow_api::event::list::{ListEvents, Query};
use tow_record::Event;

/// Show what happened, the oldest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on with new ones
    #[arg(short, long)]
    follow: bool,
    /// The last so many
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<u32>,
    /// Only those after this number
    #[arg(long, value_name = "SEQ")]
    after: Option<i64>,
    /// Only those about this, as in component:default/web
    #[arg(long, value_name = "REFERENCE")]
    subject: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { after: args.after, limit: args.tail, subject: args.subject };
    let client = cx.client()?;
    let past = client.call::<ListEvents>(&Nothing {}, &query, &Nothing {}).await?;
    if !args.follow {
        if cx.printer.is_text() {
            return past.items.iter().try_for_each(|event| cx.printer.out(&text(event)));
        }
        return cx.printer.data(&past.items, String::new);
    }
    for event in &past.items {
        cx.printer.item(event, || text(event))?;
    }
    let query = Query { after: Some(past.next), limit: None, ..query };
    let mut events = tow_client::events(client.clone(), query);
    while let Some(event) = events.next().await {
        let event = event?;
        cx.printer.item(&event, || text(&event))?;
    }
    Ok(())
}

pub(crate) fn text(event: &Event) -> String {
    let summary = event.body.as_ref().map_or("(erased)", |body| body.summary.as_str());
    // Padded before it is coloured: colour has a width too, for those who count bytes.
    let kind = format!("{:<20}", event.kind);
    format!(
        "{} {} {} {summary}  {}",
        format!("{:>5}", event.seq).dimmed(),
        time(event.at).dimmed(),
        kind.cyan(),
        short(&event.actor).dimmed(),
    )
}
