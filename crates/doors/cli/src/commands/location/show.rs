//! `tow location show NAME`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use crate::render::{count, line, or_dash, short, state, time};
use tow_api::Nothing;
use tow_api::location::get::GetLocation;
use tow_api::location::list::LocationView;

/// Show a location: what it reads, when, and what is wrong with it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, query) = args.which.parts();
    let view = cx.client()?.call::<GetLocation>(&path, &query, &Nothing {}).await?;
    cx.printer.data(&view, || text(&view))
}

/// A location for people.
pub(super) fn text(view: &LocationView) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: &str| line(&mut out, format_args!("{name:10}{value}"));
    say("location", &short(&view.location));
    say("state", &state(view.state));
    for target in &view.targets {
        say("target", &format!("{target} ({})", view.source));
    }
    say("allows", &view.allow.join(", "));
    say("objects", &format!("{} from {}", view.objects, count(view.files, "file")));
    if !view.revision.is_empty() {
        say("revision", &view.revision);
    }
    say("looked at", &or_dash(view.looked_at.map(time)));
    say("whole at", &or_dash(view.good_at.map(time)));
    let next = if view.asked { "now".to_string() } else { or_dash(view.due.map(time)) };
    say("next", &format!("{next}, every {}", view.every));
    say("orphans", if view.keep_orphans { "keep" } else { "delete" });
    say("push hook", if view.push { "signed" } else { "none: tow location push-secret" });
    for item in &view.items {
        say("error", &item.message);
    }
    out
}
