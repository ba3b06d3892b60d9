//! `tow artifact prune`.

use super::list::cut;
use crate::commands::deploy::size;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::artifact::prune::{Body, PruneArtifacts};

/// Take away what nothing needs: not deployed anywhere, and not among the last releases
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this component
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    /// What so many releases of each component run stays
    #[arg(long, value_name = "N", default_value_t = 10)]
    keep: u32,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let dry = args.dry_run;
    let body = Body { component: args.component, keep: Some(args.keep), dry_run: dry };
    let reply = cx.client()?.call::<PruneArtifacts>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&reply, || {
        let mut text: String =
            reply.removed.iter().map(|gone| format!("{}\n", cut(&gone.key))).collect();
        let verb = if dry { "would go" } else { "went" };
        text +=
            &format!("{} {verb}, {} stay; {}", reply.removed.len(), reply.kept, size(reply.freed));
        text
    })
}
