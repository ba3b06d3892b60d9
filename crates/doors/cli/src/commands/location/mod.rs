//! `tow location`: where declared things come from.

mod add;
mod list;
mod push_secret;
mod refresh;
mod remove;
mod show;

use crate::context::Context;
use crate::failure::Verdict;
use tow_api::location::get::{Path, Query};

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
