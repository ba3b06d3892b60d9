//! `tow token list`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::{or_dash, short, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::access::token_list::{ListTokens, Query, TokenView};

/// List your tokens and sessions, without their text
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose: serviceaccount:NAME of one your group answers for; for administrators somebody's, or all
    #[arg(long = "for", value_name = "OWNER")]
    owner: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { purpose: None, owner: args.owner };
    let reply = cx.client()?.call::<ListTokens>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for TokenView {
    const HEAD: &'static [&'static str] =
        &["ID", "FORM", "OWNER", "ROLE", "CREATED (UTC)", "ENDS (UTC)", "USED (UTC)", "NOTE"];
    const EMPTY: &'static str = "no tokens";

    fn row(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.id),
            Cell::new(self.purpose.as_str()),
            Cell::new(short(&self.owner)),
            Cell::new(self.role.as_str()),
            Cell::new(time(self.created_at)),
            Cell::new(or_dash(self.expires_at.map(time))),
            Cell::new(or_dash(self.used_at.map(time))),
            Cell::new(&self.note),
        ]
    }
}
