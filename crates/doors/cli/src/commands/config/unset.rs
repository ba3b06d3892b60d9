//! `tow config unset NAME…`.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::follow::{self, How};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::Nothing;
use tow_api::config::get::{GetConfig, Path};
use tow_api::plan::create::ChangeRequest;
use tow_client::ClientError;

/// The platform knows no such thing.
const MISSING: u16 = 404;

/// Take values away and deploy without them
#[derive(Debug, clap::Args)]
#[command(override_usage = "tow config unset [OPTIONS] [COMPONENT] <NAME>...")]
pub(crate) struct Args {
    /// Their names; before them the component may stand, else it is the one this folder's files name. A first word that
    /// is a value of that one is no component
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, mut args: Args) -> Verdict {
    let own = match args.at.component() {
        Ok(component) if args.names.len() > 1 => values(cx, component, &args.at).await?,
        _ => Some(BTreeSet::new()),
    };
    let is_value = |word: &str| own.as_ref().is_none_or(|own| own.contains(word));
    let at = args.at.first_of(&mut args.names, is_value);
    let change = ChangeRequest::Config { set: BTreeMap::new(), unset: args.names };
    let body = crate::commands::rollback::request(&at, change)?;
    follow::change(cx, follow::now(), &body, &args.how).await
}

/// The names of what a component sees: none of a component that is not there, nothing where that is not for the asker.
async fn values(cx: &Context, component: String, at: &Where) -> Verdict<Option<BTreeSet<String>>> {
    let path = Path { component, environment: at.environment() };
    match cx.client()?.call::<GetConfig>(&path, &Nothing {}, &Nothing {}).await {
        Ok(reply) => Ok(Some(reply.values.into_iter().map(|value| value.name).collect())),
        Err(ClientError::Problem(problem)) => Ok((problem.status == MISSING).then(BTreeSet::new)),
        Err(error) => Err(error.into()),
    }
}
