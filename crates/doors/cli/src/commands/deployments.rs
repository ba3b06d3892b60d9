//! `tow deployments`.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::render::{short, state_cell, table, time};
use comfy_table::Cell;
use serde::Serialize;
use tow_api::Nothing;
use tow_api::deployment::list::{ListDeployments, Query};
use tow_names::Timestamp;
use tow_record::{Reason, State};

/// Show what went where, and why, the newest first
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
    number: i64,
    release: i64,
    environment: String,
    state: State,
    reason: Reason,
    created_at: Timestamp,
    created_by: String,
    component: String,
    config: i64,
    message: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    // Numbers count within a component, so the folder's own is meant where there is one.
    let component = match args.name.or(args.at.component.clone()) {
        Some(name) => Some(name),
        None => args.at.component().ok(),
    };
    let query = Query { component, environment: args.at.said_environment() };
    let reply = cx.client()?.call::<ListDeployments>(&Nothing {}, &query, &Nothing {}).await?;
    let views: Vec<View> = reply
        .items
        .into_iter()
        .map(|item| View {
            number: item.number,
            release: item.release,
            environment: item.environment,
            state: item.state,
            reason: item.reason,
            created_at: item.created_at,
            created_by: item.created_by,
            component: short(&item.component),
            config: item.config,
            message: item.message,
        })
        .collect();
    cx.printer.data(&views, || {
        let rows = views.iter().map(|view| {
            vec![
                Cell::new(&view.component),
                Cell::new(view.number),
                Cell::new(view.release),
                Cell::new(&view.environment),
                state_cell(view.state),
                Cell::new(view.reason.as_str()),
                Cell::new(time(view.created_at)),
                Cell::new(short(&view.created_by)),
                Cell::new(&view.message),
            ]
        });
        let head = [
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
        table(&head, rows.collect(), "no deployments yet")
    })
}
