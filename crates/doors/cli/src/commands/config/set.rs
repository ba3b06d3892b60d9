//! `tow config set NAME=VALUE…`.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::follow::{self, How};
use std::collections::BTreeMap;
use tow_api::plan::create::ChangeRequest;

/// Set values and deploy with them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As in GREETING=hello
    #[arg(required = true, value_name = "NAME=VALUE")]
    values: Vec<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let mut set = BTreeMap::new();
    for (at, pair) in args.values.iter().enumerate() {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            // The text is not repeated: it may be a secret somebody forgot the name of.
            return Err(Failure::new(
                "cli/config",
                format!("argument {} is not of the form NAME=VALUE", at + 1),
            )
            .hint("as in `tow config set GREETING=hello`"));
        };
        set.insert(name.to_string(), value.to_string());
    }
    let change = ChangeRequest::Config { set, unset: Vec::new() };
    let body = crate::commands::rollback::request(&args.at, change)?;
    follow::change(cx, follow::now(), &body, &args.how).await
}
