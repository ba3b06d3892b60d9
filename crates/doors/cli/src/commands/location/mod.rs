//! `tow location`: where declared things come from.

mod add;
mod list;
mod push_secret;
mod refresh;
mod remove;
mod show;

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use std::time::{Duration, Instant};
use tow_api::Nothing;
use tow_api::location::get::{GetLocation, Path, Query};
use tow_api::location::list::LocationView;
use tow_names::Timestamp;

/// Read declared things from folders, URLs and git repositories
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Add(add::Args),
    List(list::Args),
    Show(show::Args),
    Refresh(refresh::Args),
    Remove(remove::Args),
    PushSecret(push_secret::Args),
}

pub(crate) async fn run(cx: &Context, verb: Verb) -> Verdict {
    match verb {
        Verb::Add(args) => add::run(cx, args).await,
        Verb::List(args) => list::run(cx, args).await,
        Verb::Show(args) => show::run(cx, args).await,
        Verb::Refresh(args) => refresh::run(cx, args).await,
        Verb::Remove(args) => remove::run(cx, args).await,
        Verb::PushSecret(args) => push_secret::run(cx, args).await,
    }
}

/// So long a look that was asked for is waited for; a large repository may take longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions whether it is over.
const BETWEEN: Duration = Duration::from_millis(200);

/// How a location was found by the look that was asked for.
async fn outcome(
    cx: &Context,
    path: &Path,
    query: &Query,
    asked: Timestamp,
) -> Verdict<LocationView> {
    let client = cx.client()?;
    let begun = Instant::now();
    cx.printer.wait("reading");
    loop {
        let view = client.call::<GetLocation>(path, query, &Nothing {}).await?;
        if !view.asked && view.looked_at.is_some_and(|at| at >= asked) {
            cx.printer.waited();
            return Ok(view);
        }
        if begun.elapsed() > PATIENCE {
            let name = &path.name;
            let why = format!("{name} is still being read after {} s", PATIENCE.as_secs());
            return Err(Failure::new("cli/still-reading", why)
                .hint(format!("`tow location show {name}` says how it was found")));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Which location.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Its name, or NAMESPACE/NAME
    name: String,
}

impl Which {
    fn parts(&self) -> (Path, Query) {
        let text = self.name.strip_prefix("location:").unwrap_or(&self.name);
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_string()), name),
            None => (None, text),
        };
        (Path { name: name.to_string() }, Query { namespace })
    }
}
