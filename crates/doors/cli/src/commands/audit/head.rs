//! `tow audit head`.

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::audit::head::GetAuditHead;

/// Print the last seal, signed; kept elsewhere, it proves the log later
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(cx: &Context, _: Args) -> Verdict {
    let head = cx.client()?.call::<GetAuditHead>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&head, || tow_formats::head_text(&head))?;
    cx.printer.hint("keep it elsewhere; `tow audit verify --head FILE` finds out what is cut off");
    Ok(())
}
