//! `tow location refresh NAME`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use crate::render::short;
use tow_api::Nothing;
use tow_api::location::refresh::RefreshLocation;

/// Have a location read now
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, query) = args.which.parts();
    let reply = cx.client()?.call::<RefreshLocation>(&path, &query, &Nothing {}).await?;
    let name = short(&reply.location);
    cx.printer.data(&reply, || format!("{name} is read now"))?;
    cx.printer.hint(&format!("`tow location show {name}` says how it was found"));
    Ok(())
}
