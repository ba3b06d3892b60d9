//! `tow status`: what runs, and where.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::render::{or_dash, short, state_cell, table};
use comfy_table::Cell;
use serde::Serialize;
use tow_api::Nothing;
use tow_api::status::get::{GetStatus, Query, Replicas};
use tow_record::State;

/// Show what runs, a line a workload
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
    component: String,
    workload: String,
    environment: String,
    release: Option<i64>,
    state: State,
    url: Option<String>,
    instances: Replicas,
    port_url: Option<String>,
    reason: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let environment = args.at.said_environment();
    let query = Query { component: args.name.or(args.at.component), environment };
    let reply = cx.client()?.call::<GetStatus>(&Nothing {}, &query, &Nothing {}).await?;
    let views: Vec<View> = reply
        .items
        .into_iter()
        .map(|item| View {
            component: short(&item.component),
            workload: item.workload,
            environment: item.environment,
            release: item.release,
            state: item.state,
            url: item.url,
            instances: item.instances,
            port_url: item.port_url,
            reason: item.reason,
        })
        .collect();
    cx.printer.data(&views, || {
        let rows = views.iter().map(|view| {
            let url = match (&view.url, view.reason.as_str()) {
                (Some(url), "") => url.clone(),
                (Some(url), reason) => format!("{url}  {reason}"),
                (None, "") => "–".to_string(),
                (None, reason) => reason.to_string(),
            };
            vec![
                Cell::new(&view.component),
                Cell::new(&view.workload),
                Cell::new(&view.environment),
                state_cell(view.state),
                Cell::new(or_dash(view.release)),
                Cell::new(format!("{}/{}", view.instances.ready, view.instances.wanted)),
                Cell::new(url),
            ]
        });
        let head = ["COMPONENT", "WORKLOAD", "ENVIRONMENT", "STATE", "RELEASE", "READY", "URL"];
        table(&head, rows.collect(), "nothing runs yet: `tow deploy DIR` puts a folder live")
    })
}
