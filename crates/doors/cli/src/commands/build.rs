//! `tow build [DIR]`: from a folder to an artifact, without deploying it.

use super::artifact::text;
use super::deploy::upload;
use crate::context::{Among, Context, Where};
use crate::failure::{Failure, Verdict};
use crate::list::{Listed, Page};
use crate::project;
use crate::render::{or_dash, short, time};
use crate::stay::{Course, Lines, Stands, Stayed, stay};
use comfy_table::Cell;
use std::path::PathBuf;
use tow_api::Nothing;
use tow_api::build::cancel::CancelBuild;
use tow_api::build::create::{Body, CreateBuild};
use tow_api::build::get::{BuildView, GetBuild, Path, Query};
use tow_api::build::list::ListBuilds;
use tow_api::log::stream::{LogEvent, Query as LogQuery};
use tow_client::{Client, ClientError};

/// Build a folder without deploying it; list builds, end one
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The folder that holds score.yaml (else this one)
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
    List(ListArgs),
    Cancel(CancelArgs),
}

/// List builds, the newest first: a deployment's too
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    at: Among,
    #[command(flatten)]
    page: Page,
}

/// End a build before it is done; a deployment that waits for it fails
#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// The build's id, as tow deploy, tow build and tow build list name it
    id: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    match args.verb {
        None => {}
        Some(Verb::List(args)) => return list(cx, args).await,
        Some(Verb::Cancel(CancelArgs { id })) => {
            let path = Path { build: id };
            let view = cx.client()?.call::<CancelBuild>(&path, &Nothing {}, &Nothing {}).await?;
            return cx.printer.data(&view, || match view.finished {
                true => format!("{} had ended", view.id),
                false => format!("{} is ended", view.id),
            });
        }
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
    let stayed = follow(cx, view).await?;
    let view = &stayed.view;
    match (&view.artifact, &view.failure) {
        (Some(artifact), _) => cx.printer.data(artifact, || text(artifact)),
        (None, failure) => {
            let why = failure.clone().unwrap_or_else(|| "it made nothing".into());
            let failure = Failure::new("build/failed", why);
            let hint = format!("`tow logs --build {}` shows all that it said", view.id);
            Err(stayed.failed(cx, failure.hint(hint)))
        }
    }
}

async fn list(cx: &Context, args: ListArgs) -> Verdict {
    let query = tow_api::build::list::Query {
        component: args.at.component(),
        environment: args.at.environment(),
        limit: Some(args.page.limit),
    };
    let reply = cx.client()?.call::<ListBuilds>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.page(reply.items, args.page)
}

impl Listed for BuildView {
    const HEAD: &'static [&'static str] =
        &["BUILD", "COMPONENT", "ENVIRONMENT", "STATE", "TOOL", "BEGAN (UTC)", "BY", ""];
    const EMPTY: &'static str = "no builds yet";

    fn row(&self) -> Vec<Cell> {
        let state = match (self.finished, &self.failure) {
            (false, _) => "… building",
            (true, None) => "● built",
            (true, Some(_)) => "✕ failed",
        };
        // Compilers say much; their first line is enough here.
        let why = self.failure.as_deref().and_then(|why| why.lines().next()).unwrap_or_default();
        vec![
            Cell::new(&self.id),
            Cell::new(&self.component),
            Cell::new(&self.environment),
            Cell::new(state),
            Cell::new(or_dash(self.found.as_ref().map(|found| found.tool))),
            Cell::new(time(self.started_at)),
            Cell::new(short(&self.created_by)),
            Cell::new(why),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}

/// A build and its log.
struct Building(Path);

impl Course for Building {
    type View = BuildView;

    async fn look(&self, client: &Client, after: Option<i64>) -> Result<BuildView, ClientError> {
        client.call::<GetBuild>(&self.0, &Query { after }, &Nothing {}).await
    }

    fn stands(&self, view: &BuildView) -> Stands {
        Stands {
            version: view.version,
            finished: view.finished,
            log: Some(LogQuery { build: Some(view.id.clone()), ..LogQuery::default() }),
            lines: if view.finished { Lines::Are } else { Lines::Grow },
        }
    }

    fn line(&self, cx: &Context, line: &LogEvent) -> Verdict {
        if cx.printer.is_text() {
            cx.printer.say(&line.line.text);
        }
        Ok(())
    }
}

/// Stays with a build until it ends. What was built before is no log anybody waits for.
async fn follow(cx: &Context, view: BuildView) -> Verdict<Stayed<BuildView>> {
    if view.finished {
        return Ok(Stayed { view, asked: false, lines: 0 });
    }
    let client = cx.client()?;
    let path = Path { build: view.id.clone() };
    let cancel = async {
        client.call::<CancelBuild>(&path, &Nothing {}, &Nothing {}).await?;
        Ok("asked to cancel: the build is ended".into())
    };
    stay(cx, &mut Building(path.clone()), cancel).await
}
