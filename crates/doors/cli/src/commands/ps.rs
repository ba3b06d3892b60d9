//! `tow ps`: instances.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::render::{or_dash, short, state_cell, table};
use comfy_table::Cell;
use serde::Serialize;
use tow_api::Nothing;
use tow_api::instance::list::ListInstances;
use tow_api::status::get::Query;
use tow_record::{Isolation, Phase, State};

/// Show instances, a line a container
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this component
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    name: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// The shape that scripts read.
#[derive(Serialize)]
struct View {
    instance: String,
    component: String,
    workload: String,
    container: String,
    environment: String,
    release: i64,
    pid: Option<u32>,
    state: State,
    restarts: u32,
    replica: u32,
    deployment: i64,
    phase: Phase,
    isolation: Isolation,
    message: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let environment = args.at.said_environment();
    let query = Query { component: args.name.or(args.at.component), environment };
    let reply = cx.client()?.call::<ListInstances>(&Nothing {}, &query, &Nothing {}).await?;
    let views: Vec<View> = reply
        .items
        .into_iter()
        .map(|item| View {
            instance: item.instance,
            component: short(&item.component),
            workload: item.workload,
            container: item.container,
            environment: item.environment,
            release: item.release,
            pid: item.pid,
            state: item.state,
            restarts: item.restarts,
            replica: item.replica,
            deployment: item.deployment,
            phase: item.phase,
            isolation: item.isolation,
            message: item.message,
        })
        .collect();
    cx.printer.data(&views, || {
        let rows = views.iter().map(|view| {
            vec![
                Cell::new(&view.component),
                Cell::new(format!("{}/{} {}", view.workload, view.replica, view.container)),
                Cell::new(&view.environment),
                state_cell(view.state),
                Cell::new(view.release),
                Cell::new(or_dash(view.pid)),
                Cell::new(view.restarts),
                Cell::new(&view.instance),
                Cell::new(&view.message),
            ]
        });
        let head = [
            "COMPONENT",
            "CONTAINER",
            "ENVIRONMENT",
            "STATE",
            "RELEASE",
            "PID",
            "RESTARTS",
            "INSTANCE",
            "",
        ];
        table(&head, rows.collect(), "no instances")
    })
}
