//! `tow config list`.

use crate::context::{Context, Named};
use crate::failure::Verdict;
use crate::list::Listed;
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::config::get::{ConfigValue, GetConfig, Path};

/// List the values a component sees, in plain text
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let at = args.at.place();
    let path = Path { component: at.component()?, environment: at.environment() };
    let reply = cx.client()?.call::<GetConfig>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.list(reply.values)
}

impl Listed for ConfigValue {
    const HEAD: &'static [&'static str] = &["NAME", "SOURCE", "VALUE"];
    const EMPTY: &'static str = "there are no values here";

    fn row(&self) -> Vec<Cell> {
        let value = self.value.replace('\n', "\\n");
        vec![Cell::new(&self.name), Cell::new(&self.source), Cell::new(value)]
    }
}
