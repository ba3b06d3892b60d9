//! `tow artifact show ARTIFACT`.

use crate::commands::deploy::size;
use crate::context::Context;
use crate::failure::Verdict;
use crate::render::{short, time};
use tow_api::Nothing;
use tow_api::artifact::get::{GetArtifact, Path};
use tow_api::artifact::list::ArtifactView;

/// Show one artifact and who uses it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its key or digest, or enough of either's beginning
    artifact: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { artifact: args.artifact };
    let view = cx.client()?.call::<GetArtifact>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&view, || text(&view))
}

/// An artifact for people.
pub(crate) fn text(view: &ArtifactView) -> String {
    let mut lines = vec![
        format!("artifact   {}", view.key),
        format!("archive    {}, {}", view.digest, size(view.size)),
    ];
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{name:<11}{value}"));
        }
    };
    line("component", view.component.as_deref().map(short).unwrap_or_default().to_string());
    line(
        "built by",
        match view.toolchain.as_str() {
            "" => view.tool.to_string(),
            toolchain => format!("{} ({toolchain})", view.tool),
        },
    );
    line("platform", view.platform.clone());
    line("runs", if view.is_static { "as files".into() } else { view.entry.join(" ") });
    line("source", view.source.clone().unwrap_or_default());
    line("created", time(view.created_at).to_string());
    line("releases", view.releases.join(", "));
    line("deployed", view.deployed.join(", "));
    lines.join("\n")
}
