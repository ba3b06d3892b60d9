//! `tow audit list`.

use super::Filter;
use crate::commands::events;
use crate::context::Context;
use crate::failure::Verdict;
use crate::list::Page;
use tow_api::Nothing;
use tow_api::audit::list::ListAudit;

/// List events, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Only those before this number
    #[arg(long, value_name = "SEQ")]
    before: Option<i64>,
    #[command(flatten)]
    page: Page,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let mut query = args.filter.query();
    query.from = args.before;
    let limit = args.page.limit;
    let mut found = Vec::new();
    loop {
        query.limit = Some(limit - u32::try_from(found.len()).unwrap_or(limit));
        let reply = cx.client()?.call::<ListAudit>(&Nothing {}, &query, &Nothing {}).await?;
        found.extend(reply.items);
        query.from = reply.next;
        if query.from.is_none() || found.len() >= limit as usize {
            break;
        }
        cx.printer.wait("searching the log");
    }
    cx.printer.waited();
    cx.printer.data(&found, || match found.is_empty() {
        true => "no such event".into(),
        false => found.iter().map(events::text).collect::<Vec<_>>().join("\n"),
    })?;
    if let Some(next) = query.from.filter(|_| cx.printer.is_text()) {
        cx.printer.hint(&format!("`--before {next}` goes on"));
    }
    Ok(())
}
