//! `tow search TEXT`.

use super::get::{self, Which};
use crate::context::Context;
use crate::failure::Verdict;

/// Search everything that is declared for words
///
/// Every word begins a word of what is found: of its name, its metadata or its spec. `-w` narrows it, as in
/// `-w kind=api`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Words, or beginnings of words
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    get::checked(args.which.query())?;
    let text = args.text.join(" ");
    let words = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let query = match args.which.query() {
        Some(query) if !query.trim().is_empty() => format!("{words} ({query})"),
        _ => words,
    };
    let (items, more) = get::found(cx, Some(query), &args.which).await?;
    get::show(cx, items, more, true)
}
