//! `tow config list`.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::render::table;
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::config::get::{GetConfig, Path};

/// List the values a component sees, in plain text
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Where,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { component: args.at.component()?, environment: args.at.environment() };
    let reply = cx.client()?.call::<GetConfig>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&reply.values, || {
        let rows = reply.values.iter().map(|value| {
            vec![
                Cell::new(&value.name),
                Cell::new(value.value.replace('\n', "\\n")),
                Cell::new(&value.source),
            ]
        });
        let empty = format!("{} has no values in {}", path.component, path.environment);
        table(&["NAME", "VALUE", "SOURCE"], rows.collect(), &empty)
    })
}
