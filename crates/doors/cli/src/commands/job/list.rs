//! `tow job list`.

use crate::context::{Among, Context};
use crate::failure::Verdict;
use crate::list::{Listed, Page};
use crate::render::{short, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::run::list::{ListRuns, Query, RunView};

/// List runs, the newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Among,
    /// Only of this workload
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    #[command(flatten)]
    page: Page,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query {
        component: args.at.component(),
        environment: args.at.environment(),
        workload: args.workload,
        kind: None,
        state: None,
        limit: Some(args.page.limit),
    };
    let reply = cx.client()?.call::<ListRuns>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.page(reply.items, args.page)
}

impl Listed for RunView {
    const HEAD: &'static [&'static str] = &[
        "RUN",
        "COMPONENT",
        "ENVIRONMENT",
        "WORKLOAD",
        "KIND",
        "STATE",
        "ATTEMPT",
        "CREATED (UTC)",
        "WHY",
    ];
    const EMPTY: &'static str = "no runs";

    fn row(&self) -> Vec<Cell> {
        let why = if self.note.is_empty() { &self.cause } else { &self.note };
        vec![
            Cell::new(&self.id),
            Cell::new(&self.component),
            Cell::new(&self.environment),
            Cell::new(&self.workload),
            Cell::new(self.kind.as_str()),
            Cell::new(self.state.as_str()),
            Cell::new(self.attempt),
            Cell::new(time(self.created_at)),
            Cell::new(why),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
