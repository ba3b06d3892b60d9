//! `tow config set NAME=VALUE…`.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::follow::{self, How};
use std::collections::BTreeMap;
use tow_api::plan::create::ChangeRequest;
use tow_names::{EntityRef, Namespace};

/// Set values and deploy with them
#[derive(Debug, clap::Args)]
#[command(override_usage = "tow config set [OPTIONS] [COMPONENT] <NAME=VALUE>...")]
pub(crate) struct Args {
    /// As in GREETING=hello; before them the component may stand, else it is the one this folder's files name
    #[arg(required = true, value_name = "NAME=VALUE")]
    values: Vec<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, mut args: Args) -> Verdict {
    // What could be no name may be a value that somebody forgot the name of: it is told nobody.
    let is_pair =
        |word: &str| EntityRef::parse(word, Some("component"), &Namespace::default()).is_err();
    let at = args.at.first_of(&mut args.values, is_pair);
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
    let body = crate::commands::rollback::request(&at, change)?;
    follow::change(cx, follow::now(), &body, &args.how).await
}
