//! `tow deployments`.

mod show;

use crate::context::{Context, Numbered, Where};
use crate::failure::Verdict;
use crate::list::{Listed, Page};
use crate::render::{short, state_cell, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::build::{get::BuildView, list::ListBuilds};
use tow_api::deployment::get::Path;
use tow_api::deployment::list::{DeploymentView, ListDeployments, Query};

/// Show what went where, and why, the newest first; or one of them, whole
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Numbered,
    #[command(flatten)]
    page: Page,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (at, number) = args.at.taken_apart();
    if let Some(number) = number {
        let at = Where { component: at.component(), environment: at.environment() };
        let (component, environment) = (at.component()?, at.environment());
        return show::run(cx, Path { component, environment, number }).await;
    }
    // Numbers count within a component, so the folder's own is meant where there is one.
    let (component, environment) = (at.component(), at.environment());
    let query = Query {
        component: component.clone(),
        environment: environment.clone(),
        limit: Some(args.page.limit),
    };
    let reply = cx.client()?.call::<ListDeployments>(&Nothing {}, &query, &Nothing {}).await?;
    let newest = reply.items.iter().map(|one| one.created_at).max();
    cx.printer.page(reply.items, args.page)?;
    // A deployment is numbered once its artifact is there: a build that still goes on, or failed, has no line.
    if cx.printer.is_text() {
        let query = tow_api::build::list::Query { component, environment, limit: Some(1) };
        let builds = cx.client()?.call::<ListBuilds>(&Nothing {}, &query, &Nothing {}).await?;
        let later = |build: &&BuildView| newest.is_none_or(|at| build.started_at > at);
        if let Some(build) = builds.items.first().filter(later) {
            let (of, id) = (short(&build.component), &build.id);
            match (build.finished, &build.failure) {
                (false, _) => {
                    cx.printer.hint(&format!("{of} is being built: tow logs --build {id}"))
                }
                (true, Some(_)) => {
                    cx.printer
                        .hint(&format!("the last build of {of} failed: tow logs --build {id}"));
                }
                (true, None) => {}
            }
        }
    }
    Ok(())
}

impl Listed for DeploymentView {
    const HEAD: &'static [&'static str] = &[
        "COMPONENT",
        "DEPLOYMENT",
        "RELEASE",
        "ENVIRONMENT",
        "STATE",
        "REASON",
        "CREATED (UTC)",
        "BY",
        "",
    ];
    const EMPTY: &'static str = "no deployments yet";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.component),
            Cell::new(self.number),
            Cell::new(self.release),
            Cell::new(&self.environment),
            state_cell(self.state),
            Cell::new(self.reason.as_str()),
            Cell::new(time(self.created_at)),
            Cell::new(short(&self.created_by)),
            Cell::new(&self.message),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
