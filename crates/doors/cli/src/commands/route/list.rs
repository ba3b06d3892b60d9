//! `tow route list`.

use crate::context::{Among, Context};
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{or_dash, served_cell, short};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::route::list::{ListRoutes, RouteView};
use tow_api::status::get::Query;
use tow_record::Mode;

/// List routes, and who answers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Among,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { component: args.at.component(), environment: args.at.environment() };
    let reply = cx.client()?.call::<ListRoutes>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for RouteView {
    const HEAD: &'static [&'static str] = &[
        "COMPONENT",
        "ENVIRONMENT",
        "HOST",
        "PATH",
        "PORT",
        "STATE",
        "RELEASES",
        "INSTANCES",
        "REMARK",
    ];
    const EMPTY: &'static str = "no routes";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.component),
            Cell::new(&self.environment),
            Cell::new(self.hosts.join(", ")),
            Cell::new(&self.path),
            Cell::new(or_dash(self.port)),
            served_cell(self.state, &self.mode),
            Cell::new(releases(self)),
            Cell::new(self.targets.len()),
            Cell::new(doing(self)),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}

/// The releases that answer.
pub(super) fn releases(route: &RouteView) -> String {
    let mut releases: Vec<i64> = route.targets.iter().map(|target| target.release).collect();
    releases.sort_unstable();
    releases.dedup();
    match releases.is_empty() {
        true => "–".into(),
        false => releases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// What is to be known of it beside who answers.
pub(super) fn doing(route: &RouteView) -> String {
    let mode = match &route.mode {
        Mode::Serving => None,
        Mode::Paused { limit } => Some(format!("paused: requests are held, up to {limit}")),
        Mode::Maintenance { retry_after, .. } => {
            Some(format!("maintenance: requests are refused, to come again after {retry_after}"))
        }
    };
    let split = route.split.as_ref();
    let split =
        split.map(|split| format!("canary {}% by deployment {}", split.weight, split.deployment));
    let reason = Some(route.reason.clone()).filter(|reason| !reason.is_empty());
    [mode, split, reason].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
