//! `tow status`: what runs, and where.

use crate::context::{Context, Only};
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{or_dash, served_cell, short};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::status::get::{GetStatus, Query, StatusView};

/// Show what runs, a line a workload
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    only: Only,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { component: args.only.component(), environment: args.only.environment() };
    let reply = cx.client()?.call::<GetStatus>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for StatusView {
    const HEAD: &'static [&'static str] =
        &["COMPONENT", "WORKLOAD", "ENVIRONMENT", "STATE", "RELEASE", "READY", "URL", "REMARK"];
    const EMPTY: &'static str = "nothing runs yet: `tow deploy DIR` puts a folder live";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.component),
            Cell::new(&self.workload),
            Cell::new(&self.environment),
            served_cell(self.state, &self.mode),
            Cell::new(or_dash(self.release)),
            Cell::new(format!("{}/{}", self.instances.ready, self.instances.wanted)),
            Cell::new(or_dash(self.url.as_ref())),
            Cell::new(&self.reason),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
