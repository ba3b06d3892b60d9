//! `tow token delete ID`.

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::access::token_delete::{DeleteToken, Path};

/// Withdraw a token or session at once
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id
    id: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { token: args.id };
    cx.client()?.call::<DeleteToken>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer
        .data(&serde_json::json!({"deleted": path.token}), || format!("{} withdrawn", path.token))
}
