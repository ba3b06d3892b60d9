//! `tow cron list`.

use crate::context::{Among, Context};
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{short, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::cron::list::{CronView, ListCrons};
use tow_api::status::get::Query;

/// List schedules, and when each is due next
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Among,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { component: args.at.component(), environment: args.at.environment() };
    let reply = cx.client()?.call::<ListCrons>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for CronView {
    const HEAD: &'static [&'static str] = &[
        "COMPONENT",
        "ENVIRONMENT",
        "WORKLOAD",
        "SCHEDULE",
        "ZONE",
        "NEXT (UTC)",
        "LAST",
        "FIRED",
        "MISSED",
        "",
    ];
    const EMPTY: &'static str = "no schedules";

    fn row(&self) -> Vec<Cell> {
        let next = match (&self.paused, self.stopped, self.next) {
            (Some(paused), _, _) => format!("paused by {}", short(&paused.by)),
            (None, true, _) => "stopped".into(),
            (None, false, next) => next.map(time).unwrap_or_default(),
        };
        let last = match (self.last_state, self.last_at) {
            (Some(state), Some(at)) => format!("{state} {}", time(at)),
            _ => String::new(),
        };
        vec![
            Cell::new(&self.component),
            Cell::new(&self.environment),
            Cell::new(&self.workload),
            Cell::new(&self.schedule),
            Cell::new(&self.timezone),
            Cell::new(next),
            Cell::new(last),
            Cell::new(self.fired),
            Cell::new(self.missed),
            Cell::new(self.paused.as_ref().map(|paused| paused.why.as_str()).unwrap_or_default()),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
