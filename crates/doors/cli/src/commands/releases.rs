//! `tow releases`.

use crate::context::{Context, Named};
use crate::failure::Verdict;
use crate::list::{Listed, Page};
use crate::render::{or_dash, short, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::release::list::{ListReleases, Path, Query, ReleaseView};

/// Show a component's releases, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
    #[command(flatten)]
    page: Page,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let component = args.at.place().component()?;
    let (path, query) = (Path { component }, Query { limit: Some(args.page.limit) });
    let reply = cx.client()?.call::<ListReleases>(&path, &query, &Nothing {}).await?;
    cx.printer.page(reply.items, args.page)
}

impl Listed for ReleaseView {
    const HEAD: &'static [&'static str] = &["RELEASE", "ARTIFACT", "COMMIT", "CREATED (UTC)", "BY"];
    const EMPTY: &'static str = "no releases yet";

    fn row(&self) -> Vec<Cell> {
        let commit = self.commit.as_deref().map(|commit| {
            let changed = if commit.ends_with("+changes") { "+" } else { "" };
            commit.chars().take(12).collect::<String>() + changed
        });
        vec![
            Cell::new(self.number),
            Cell::new(or_dash(self.artifact.as_deref().map(cut))),
            Cell::new(or_dash(commit)),
            Cell::new(time(self.created_at)),
            Cell::new(short(&self.created_by)),
        ]
    }
}

/// A digest short enough for a table.
fn cut(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    hex.chars().take(12).collect()
}
