//! `tow job show RUN`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::render::time;
use tow_api::Nothing;
use tow_api::run::get::{GetRun, Path, Query};
use tow_api::run::list::RunView;

/// Show a run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id
    #[arg(value_name = "RUN")]
    run: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = Path { run: args.run };
    let run = cx.client()?.call::<GetRun>(&path, &Query { after: None }, &Nothing {}).await?;
    print(cx, &run)
}

/// A line for each thing to know.
pub(super) fn print(cx: &Context, run: &RunView) -> Verdict {
    cx.printer.data(run, || {
        let at = |at: Option<tow_names::Timestamp>| at.map(time).unwrap_or_default();
        let state = match run.note.as_str() {
            "" => run.state.to_string(),
            note => format!("{}: {note}", run.state),
        };
        let attempt = format!("{} of at most {}", run.attempt, run.retries.saturating_add(1));
        let rows = [
            ("run", run.id.clone()),
            ("of", crate::commands::run::named(run)),
            ("in", run.environment.clone()),
            ("kind", run.kind.as_str().to_string()),
            ("state", state),
            ("why", run.cause.clone()),
            ("command", run.command.as_ref().map(|argv| argv.join(" ")).unwrap_or_default()),
            ("release", format!("{}, deployment {}", run.release, run.deployment)),
            ("attempt", attempt),
            ("due", at(run.scheduled_at)),
            ("made", time(run.created_at)),
            ("began", at(run.started_at)),
            ("ended", at(run.ended_at)),
        ];
        let shown = rows.iter().filter(|(_, text)| !text.is_empty());
        shown.map(|(name, text)| format!("{name:<10} {text}\n")).collect()
    })?;
    if run.attempt > 0 {
        cx.printer.hint(&format!("tow logs --run {}", run.id));
    }
    Ok(())
}
