//! `tow build [DIR]`: from a folder to an artifact, without deploying it.

use super::artifact::text;
use super::deploy::upload;
use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::project;
use futures::StreamExt as _;
use std::path::PathBuf;
use tow_api::Nothing;
use tow_api::build::cancel::CancelBuild;
use tow_api::build::create::{Body, CreateBuild};
use tow_api::build::get::{BuildView, GetBuild, Path, Query};
use tow_api::log::stream::Query as LogQuery;
use tow_client::logs;

/// As good as all lines of a build.
const WHOLE_LOG: usize = 100_000;

/// Build a folder without deploying it, or end a build
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The folder
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
    #[command(flatten)]
    at: Where,
    /// Don't wait for its end
    #[arg(long)]
    detach: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Cancel(CancelArgs),
}

/// End a build before it is done; a deployment that waits for it fails
#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// The build's id, as tow build or tow deploy names it
    id: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    if let Some(Verb::Cancel(CancelArgs { id })) = args.verb {
        let path = Path { build: id };
        let view = cx.client()?.call::<CancelBuild>(&path, &Nothing {}, &Nothing {}).await?;
        return cx.printer.data(&view, || match view.finished {
            true => format!("{} had ended", view.id),
            false => format!("{} is ended", view.id),
        });
    }
    let project = project::read(&args.dir)?;
    let source = upload(cx, &args.dir).await?;
    let body = Body {
        component: args.at.component.clone(),
        environment: Some(args.at.environment()),
        documents: project.documents,
        source,
    };
    let view = cx.client()?.call::<CreateBuild>(&Nothing {}, &Nothing {}, &body).await?;
    if let (Some(found), true) = (&view.found, cx.printer.is_text()) {
        let with = if found.toolchain.is_empty() {
            String::new()
        } else {
            format!(" ({})", found.toolchain)
        };
        cx.printer.say(&format!("built by {}{with}: {}", found.tool, found.because));
        for note in &found.notes {
            cx.printer.hint(note);
        }
    }
    if args.detach {
        return cx.printer.data(&view, || view.id.clone());
    }
    let view = follow(cx, view).await?;
    match (&view.artifact, &view.failure) {
        (Some(artifact), _) => cx.printer.data(artifact, || text(artifact)),
        (None, failure) => {
            let why = failure.clone().unwrap_or_else(|| "it made nothing".into());
            Err(Failure::new("build/failed", why).hint(format!("tow logs --build {}", view.id)))
        }
    }
}

/// Shows the log as it comes, then asks how it ended.
async fn follow(cx: &Context, mut view: BuildView) -> Verdict<BuildView> {
    let client = cx.client()?;
    let path = Path { build: view.id.clone() };
    if !view.finished {
        let query = LogQuery {
            build: Some(view.id.clone()),
            follow: true,
            tail: Some(WHOLE_LOG),
            ..LogQuery::default()
        };
        // One that is not begun yet has no log that could be followed: asked again until it has ended.
        let mut shown = 0;
        while !view.finished {
            let mut lines = logs(client.clone(), query.clone());
            let mut at = 0;
            while let Some(Ok(line)) = lines.next().await {
                at += 1;
                if at > shown && cx.printer.is_text() {
                    cx.printer.say(&line.line.text);
                }
            }
            shown = shown.max(at);
            let query = Query { after: Some(view.version) };
            view = client.call::<GetBuild>(&path, &query, &Nothing {}).await?;
        }
    }
    Ok(view)
}
