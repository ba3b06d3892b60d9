//! `tow schema KIND`: the JSON Schema a kind is judged by.

use crate::context::Context;
use crate::failure::{Failure, Verdict};

/// Print the JSON Schema a kind is judged by, without a platform
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Any kind, as `tow explain` lists them; Workload is a Score file
    kind: String,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Verdict {
    let Some(schema) = tow_formats::schema(&args.kind.to_ascii_lowercase()) else {
        let all: Vec<&str> = tow_model::Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(Failure::new("cli/no-such-kind", format!("there is no kind {:?}", args.kind))
            .hint(format!("kinds are Workload, {}", all.join(", "))));
    };
    let text = format!("{schema:#}");
    cx.printer.data(&schema, || text)
}
