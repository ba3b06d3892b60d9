//! `tow scale WORKLOAD=N…`.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::follow::{self, How};
use std::collections::BTreeMap;
use tow_api::plan::create::ChangeRequest;

/// Run so many instances of a workload
#[derive(Debug, clap::Args)]
#[command(override_usage = "tow scale [OPTIONS] [COMPONENT] <WORKLOAD=N>...")]
pub(crate) struct Args {
    /// As in web=3; before them the component may stand, else it is the one this folder's files name
    #[arg(required = true, value_name = "WORKLOAD=N")]
    replicas: Vec<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, mut args: Args) -> Verdict {
    let at = args.at.first_of(&mut args.replicas, |word| word.contains('='));
    let mut replicas = BTreeMap::new();
    for pair in &args.replicas {
        let read = pair.split_once('=').and_then(|(name, n)| Some((name, n.parse::<u32>().ok()?)));
        match read {
            Some((name, count)) if !name.is_empty() => replicas.insert(name.to_string(), count),
            _ => {
                return Err(Failure::new(
                    "cli/scale",
                    format!("{pair:?} is not of the form WORKLOAD=N"),
                )
                .hint("as in `tow scale web=3 worker=1`"));
            }
        };
    }
    let body = super::rollback::request(&at, ChangeRequest::Scale { replicas })?;
    follow::change(cx, follow::now(), &body, &args.how).await
}
