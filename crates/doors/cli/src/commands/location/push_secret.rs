//! `tow location push-secret NAME`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::location::push_secret::CreatePushSecret;

/// Make the secret of a location's push hook; it is shown this once
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, query) = args.which.parts();
    let reply = cx.client()?.call::<CreatePushSecret>(&path, &query, &Nothing {}).await?;
    cx.printer.data(&reply, || match &reply.secret {
        Some(secret) => format!("{}\n{secret}", reply.path),
        None => format!("{} has its secret already; it is not shown again", reply.location),
    })?;
    cx.printer.hint(
        "give both to the forge's webhook, as URL and secret, with content type application/json",
    );
    Ok(())
}
