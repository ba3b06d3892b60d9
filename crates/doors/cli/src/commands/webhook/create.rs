//! `tow webhook create`.

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::webhook::create::{Body, CreateWebhook};

/// Make a webhook, which carries events from here on; its secret is shown this once
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where events are posted to
    #[arg(long, value_name = "URL")]
    to: String,
    /// Which events, as in 'deployment.*' or '*'; repeatable, or parted by commas
    #[arg(long, value_name = "KINDS", required = true, value_delimiter = ',')]
    events: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = Body { url: args.to, events: args.events, note: args.note };
    let reply = cx.client()?.call::<CreateWebhook>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&reply, || match &reply.secret {
        Some(secret) => format!("{}\n{secret}", reply.id),
        None => format!("{} was made already; its secret is not shown again", reply.id),
    })?;
    cx.printer.hint(&format!(
        "give the secret to the receiver now, it is not shown again; `tow webhook test {}` tries it out",
        reply.id
    ));
    Ok(())
}
