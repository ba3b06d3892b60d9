//! `tow webhook delete ID`: asks for the id first.

use super::Which;
use crate::commands::delete::confirm;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::webhook::delete::DeleteWebhook;

/// Take a webhook away, and the log of its deliveries; asks for its id
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The id again, instead of being asked
    #[arg(long, value_name = "ID")]
    confirm: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = args.which.path();
    confirm(&path.webhook, args.confirm.as_deref())?;
    cx.client()?.call::<DeleteWebhook>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer
        .data(&serde_json::json!({"deleted": path.webhook}), || format!("{} deleted", path.webhook))
}
