//! `tow artifact list`.

use crate::commands::deploy::size;
use crate::context::Context;
use crate::failure::Verdict;
use crate::list::{Listed, Page};
use crate::render::{or_dash, short, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::artifact::list::{ArtifactView, ListArtifacts, Query};

/// Show what builds made and who uses it, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this component (else all)
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    name: Option<String>,
    /// The same, as for other verbs
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    #[command(flatten)]
    page: Page,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { component: args.name.or(args.component), limit: Some(args.page.limit) };
    let reply = cx.client()?.call::<ListArtifacts>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.page(reply.items, args.page)
}

impl Listed for ArtifactView {
    const HEAD: &'static [&'static str] =
        &["ARTIFACT", "COMPONENT", "BUILT BY", "SIZE", "RELEASES", "DEPLOYED", "CREATED (UTC)"];
    const EMPTY: &'static str = "no artifacts yet";

    fn row(&self) -> Vec<Cell> {
        let by =
            if self.toolchain.is_empty() { self.tool.to_string() } else { self.toolchain.clone() };
        let some = |all: &[String]| match all {
            [] => "-".to_string(),
            [one] => one.clone(),
            [one, rest @ ..] => format!("{one} +{}", rest.len()),
        };
        vec![
            Cell::new(cut(&self.key)),
            Cell::new(or_dash(self.component.as_deref().map(short))),
            Cell::new(by),
            Cell::new(size(self.size)),
            Cell::new(some(&self.releases)),
            Cell::new(some(&self.deployed)),
            Cell::new(time(self.created_at)),
        ]
    }
}

/// A key short enough for a table, and long enough to be given back.
pub(crate) fn cut(key: &str) -> String {
    key.rsplit(':').next().unwrap_or(key).chars().take(12).collect()
}
