//! `tow session`: the browsers that are signed in.

use crate::commands::token::delete;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::access::token_list::{ListTokens, Query};
use tow_record::Purpose;

/// List the browsers that are signed in as you, and sign them out
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    List(List),
    /// Sign a browser out at once
    End(delete::Args),
}

/// List the browsers that are signed in
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Somebody else's, as in ann, or all; administrators only
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::List(args) => {
            let query = Query { purpose: Some(Purpose::Session), owner: args.user };
            let reply = cx.client()?.call::<ListTokens>(&Nothing {}, &query, &Nothing {}).await?;
            cx.printer.list_or(reply.items, "no sessions: no browser is signed in")
        }
        Verb::End(args) => delete::run(cx, args).await,
    }
}
