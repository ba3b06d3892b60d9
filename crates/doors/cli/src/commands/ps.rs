//! `tow ps`: instances.

use crate::context::{Context, Only};
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{or_dash, short, state_cell};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::instance::list::{InstanceView, ListInstances};
use tow_api::status::get::Query;

/// Show instances, a line a container
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    only: Only,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { component: args.only.component(), environment: args.only.environment() };
    let reply = cx.client()?.call::<ListInstances>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for InstanceView {
    const HEAD: &'static [&'static str] = &[
        "COMPONENT",
        "CONTAINER",
        "ENVIRONMENT",
        "STATE",
        "RELEASE",
        "ISOLATION",
        "PID",
        "RESTARTS",
        "USES",
        "INSTANCE",
        "",
    ];
    const EMPTY: &'static str = "no instances";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.component),
            Cell::new(format!("{}/{} {}", self.workload, self.replica, self.container)),
            Cell::new(&self.environment),
            state_cell(self.state),
            Cell::new(self.release),
            Cell::new(self.isolation),
            Cell::new(or_dash(self.pid)),
            Cell::new(self.restarts),
            Cell::new(or_dash(self.usage.map(|usage| {
                format!("{:.2} cpu, {} MiB", usage.cpu_millis as f64 / 1000.0, usage.memory >> 20)
            }))),
            Cell::new(&self.instance),
            Cell::new(&self.message),
        ]
    }

    fn shorten(&mut self) {
        self.component = short(&self.component);
    }
}
