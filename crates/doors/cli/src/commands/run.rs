//! `tow run`: a command with everything that a workload has; and staying with a run until it ended.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::render::short;
use crate::stay::{self, Course, Lines, Stands};
use tow_api::Nothing;
use tow_api::log::stream::{LogEvent, Query as LogQuery};
use tow_api::run::cancel::CancelRun;
use tow_api::run::create::{Body, CreateRun};
use tow_api::run::get::{GetRun, Path, Query as After};
use tow_api::run::list::RunView;
use tow_client::{Client, ClientError};
use tow_names::Duration;
use tow_record::{Exit, LogStream, RunState};

/// Run a command with everything that a component's workload has
///
/// It runs on the platform, beside what runs, with the release, configuration, files, volumes and limits of the
/// workload; the component's folder is its working folder. Its exit code is this command's, 124 where it took too long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component (else the one this folder's files name)
    #[arg(value_name = "COMPONENT", conflicts_with = "component")]
    name: Option<String>,
    /// Program and arguments, after --
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
    #[command(flatten)]
    at: Where,
    /// The workload (else the one named like the component, or the only one)
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    /// How long it may take, as in 30m
    #[arg(long, value_name = "TIME")]
    timeout: Option<Duration>,
    #[command(flatten)]
    how: Stay,
}

/// Whether somebody stays with a run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Stay {
    /// Don't wait for its end
    #[arg(long)]
    detach: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let component = match args.name {
        Some(name) => name,
        None => args.at.component()?,
    };
    let body = Body {
        component,
        environment: Some(args.at.environment()),
        workload: args.workload,
        command: Some(args.command),
        timeout: args.timeout,
        retries: None,
    };
    let run = cx.client()?.call::<CreateRun>(&Nothing {}, &Nothing {}, &body).await?;
    stay(cx, run, args.how).await
}

/// Stays with a run that was begun: its lines, then its end, which is the verb's.
pub(crate) async fn stay(cx: &Context, run: RunView, how: Stay) -> Verdict {
    if how.detach {
        let text = format!("{}  {} of {}", run.id, run.workload, short(&run.component));
        cx.printer.data(&run, || text)?;
        cx.printer.hint(&format!("tow job show {0}; tow logs --run {0} -f", run.id));
        return Ok(());
    }
    let run = follow(cx, run).await?;
    if !cx.printer.is_text() {
        cx.printer.data(&run, String::new)?;
    }
    let code = exit_code(&run);
    if code == 0 {
        return Ok(());
    }
    let plain = matches!((run.state, run.exit), (RunState::Failed, Some(Exit::Code { .. })));
    if !plain {
        let note = if run.note.is_empty() { run.state.as_str() } else { &run.note };
        cx.printer.say(&format!("{} of {}: {note}", run.workload, short(&run.component)));
    }
    Err(Failure::Ended(code))
}

/// What a run came to, for scripts: the command's own code; 128 and the signal's number; 124 where it took too long; 130
/// where it was cancelled.
pub(crate) fn exit_code(run: &RunView) -> i32 {
    match (run.state, run.exit) {
        (RunState::Succeeded, _) => 0,
        (RunState::TimedOut, _) => 124,
        (RunState::Cancelled, _) => 130,
        (RunState::Failed, Some(Exit::Code { code })) if code != 0 => code,
        (RunState::Failed, Some(Exit::Signal { signal })) => 128 + signal,
        _ => 1,
    }
}

/// A run and its log.
struct Running(Path);

impl Course for Running {
    type View = RunView;

    async fn look(&self, client: &Client, after: Option<i64>) -> Result<RunView, ClientError> {
        client.call::<GetRun>(&self.0, &After { after }, &Nothing {}).await
    }

    fn stands(&self, view: &RunView) -> Stands {
        Stands {
            version: view.version,
            finished: view.finished,
            log: Some(LogQuery { run: Some(view.id.clone()), ..LogQuery::default() }),
            lines: if view.finished { Lines::Are } else { Lines::Grow },
        }
    }

    fn line(&self, cx: &Context, line: &LogEvent) -> Verdict {
        show(cx, line)
    }
}

async fn follow(cx: &Context, run: RunView) -> Verdict<RunView> {
    let client = cx.client()?;
    let path = Path { run: run.id };
    let cancel = async {
        client.call::<CancelRun>(&path, &Nothing {}, &Nothing {}).await?;
        Ok(format!("asked to cancel: it is told to stop; tow job show {}", path.run))
    };
    Ok(stay::stay(cx, &mut Running(path.clone()), cancel).await?.view)
}

fn show(cx: &Context, line: &LogEvent) -> Verdict {
    match line.line.stream {
        LogStream::Stdout if cx.printer.is_text() => {
            cx.printer.out(&format!("{}\n", line.line.text))
        }
        LogStream::Stdout | LogStream::Stderr => {
            cx.printer.error_line(&line.line.text);
            Ok(())
        }
        LogStream::Platform => Ok(()),
    }
}
