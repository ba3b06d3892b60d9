//! `tow webhook redeliver ID SEQ`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::webhook::redeliver::{Path, Redeliver};

/// Carry an event to it once more, under the id it had
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The event, by its number in the log
    event: i64,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { webhook: args.which.id, seq: args.event };
    let delivery = cx.client()?.call::<Redeliver>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&delivery, || format!("event {} will be carried again", delivery.seq))?;
    cx.printer.hint(&format!("`tow webhook deliveries {}` shows how it went", path.webhook));
    Ok(())
}
