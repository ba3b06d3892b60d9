//! `tow releases`.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::render::{or_dash, short, table, time};
use comfy_table::Cell;
use serde::Serialize;
use tow_api::Nothing;
use tow_api::release::list::{ListReleases, Path};
use tow_names::Timestamp;

/// Show a component's releases, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    name: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// The shape that scripts read.
#[derive(Serialize)]
struct View {
    number: i64,
    artifact: Option<String>,
    created_at: Timestamp,
    created_by: String,
    commit: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let component = match args.name {
        Some(name) => name,
        None => args.at.component()?,
    };
    let path = Path { component };
    let reply = cx.client()?.call::<ListReleases>(&path, &Nothing {}, &Nothing {}).await?;
    let views: Vec<View> = reply
        .items
        .into_iter()
        .map(|item| View {
            number: item.number,
            artifact: item.artifact,
            created_at: item.created_at,
            created_by: item.created_by,
            commit: item.commit,
        })
        .collect();
    cx.printer.data(&views, || {
        let rows = views.iter().map(|view| {
            vec![
                Cell::new(view.number),
                Cell::new(or_dash(view.artifact.as_deref().map(cut))),
                Cell::new(or_dash(view.commit.as_deref().map(|commit| {
                    commit.chars().take(12).collect::<String>()
                        + if commit.ends_with("+changes") { "+" } else { "" }
                }))),
                Cell::new(time(view.created_at)),
                Cell::new(short(&view.created_by)),
            ]
        });
        let empty = format!("{} has no releases yet", path.component);
        table(&["RELEASE", "ARTIFACT", "COMMIT", "CREATED (UTC)", "BY"], rows.collect(), &empty)
    })
}

/// A digest short enough for a table.
fn cut(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    hex.chars().take(12).collect()
}
