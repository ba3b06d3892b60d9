//! `tow token list`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::render::{or_dash, short, table, time};
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::access::token_list::ListTokens;

/// List your tokens and sessions, without their text
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(cx: &Context, _: Args) -> Verdict {
    let reply = cx.client()?.call::<ListTokens>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&reply.items, || {
        let rows = reply.items.iter().map(|token| {
            vec![
                Cell::new(&token.id),
                Cell::new(if token.session { "session" } else { "token" }),
                Cell::new(short(&token.user)),
                Cell::new(token.role.as_str()),
                Cell::new(time(token.created_at)),
                Cell::new(or_dash(token.expires_at.map(time))),
                Cell::new(&token.note),
            ]
        });
        let head = ["ID", "FORM", "USER", "ROLE", "CREATED (UTC)", "ENDS (UTC)", "NOTE"];
        table(&head, rows.collect(), "no tokens")
    })
}
