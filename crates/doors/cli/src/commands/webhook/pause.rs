//! `tow webhook pause ID`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::webhook::pause::{Body, PauseWebhook};

/// Stop carrying events to it; nothing is lost
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Why, for whoever finds it paused
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, body) = (args.which.path(), Body { why: args.why });
    let hook = cx.client()?.call::<PauseWebhook>(&path, &Nothing {}, &body).await?;
    super::show::print(cx, &hook)
}
