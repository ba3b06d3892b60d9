//! `tow location refresh NAME`.

use super::show::text;
use super::{Which, outcome};
use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::short;
use tow_api::Nothing;
use tow_api::location::refresh::RefreshLocation;
use tow_record::State;

/// Have a location read now, and show how it was found
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only ask, and do not wait for it
    #[arg(long)]
    detach: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, query) = args.which.parts();
    let reply = cx.client()?.call::<RefreshLocation>(&path, &query, &Nothing {}).await?;
    let name = short(&reply.location);
    if args.detach {
        cx.printer.data(&reply, || format!("{name} is to be read"))?;
        cx.printer.hint(&format!("`tow location show {name}` says how it was found"));
        return Ok(());
    }
    let view = outcome(cx, &path, &query, reply.asked_at).await?;
    cx.printer.data(&view, || text(&view))?;
    if view.state == State::Live { Ok(()) } else { Err(Failure::Shown(Exit::Failed)) }
}
