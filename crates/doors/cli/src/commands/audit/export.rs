//! `tow audit export`: the oldest first, a line an event, as they come.

use super::Filter;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use tow_api::Nothing;
use tow_api::audit::list::{ListAudit, Order};
use tow_api::platform::get::GetPlatform;

/// As what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Events as they are kept
    Jsonl,
    /// CloudEvents 1.0, as webhooks carry them
    Cloudevents,
}

/// Write events to standard output, the oldest first, a line of JSON each
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As what
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Only those after this number
    #[arg(long, value_name = "SEQ")]
    after: Option<i64>,
    #[command(flatten)]
    filter: Filter,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let client = cx.client()?;
    let source = match args.format {
        Format::Jsonl => String::new(),
        Format::Cloudevents => {
            client.call::<GetPlatform>(&Nothing {}, &Nothing {}, &Nothing {}).await?.source
        }
    };
    let mut query = args.filter.query();
    query.order = Order::Oldest;
    query.limit = Some(1_000);
    query.from = args.after;
    loop {
        let reply = client.call::<ListAudit>(&Nothing {}, &query, &Nothing {}).await?;
        let mut lines = String::new();
        for event in &reply.items {
            let line = match args.format {
                Format::Jsonl => serde_json::to_string(event),
                Format::Cloudevents => {
                    serde_json::to_string(&tow_formats::cloud_event(&source, event))
                }
            };
            lines += &line.map_err(|error| Failure::new("cli/json", error.to_string()))?;
            lines.push('\n');
        }
        cx.printer.out(&lines)?;
        query.from = reply.next;
        if query.from.is_none() {
            return Ok(());
        }
    }
}
