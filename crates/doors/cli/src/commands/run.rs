//! `tow run`: a command with everything that a workload has; and staying with a run until it ended.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::render::short;
use crate::stay::{self, Course, Lines, Stands};
use rustix::fs::FileType;
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
/// workload; the component's folder is its working folder. Its exit code is this command's, 124 where it took too long,
/// 127 where it could not be started. It has no input and no terminal: what is piped into this command is not passed on,
/// so that a run can go on without whoever asked for it. A command with input is `tow exec`'s.
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
    /// How long it may take, as in 30m (else what the workload says)
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
    if let Some(said) = no_input(&args.command, &std::io::stdin()) {
        cx.printer.say(said);
    }
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

/// What is said to somebody who seems to expect that a run reads what is typed or piped.
fn no_input(
    command: &[String],
    input: &(impl std::os::fd::AsFd + std::io::IsTerminal),
) -> Option<&'static str> {
    if input.is_terminal() {
        let shell = command.first().and_then(|first| first.rsplit('/').next());
        let shell =
            shell.is_some_and(|name| matches!(name, "sh" | "bash" | "zsh" | "dash" | "ash"));
        let typed = shell && !command[1..].iter().any(|arg| arg == "-c" || !arg.starts_with('-'));
        return typed
            .then_some("a run has no terminal and no input; tow exec COMPONENT opens a shell");
    }
    let kind = rustix::fs::fstat(input).ok().map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Some(FileType::Fifo | FileType::RegularFile)).then_some(
        "a run has no input: what is piped in is not passed on; tow exec COMPONENT -- CMD reads it",
    )
}

/// Stays with a run that was begun: its lines, then its end, which is the verb's.
pub(crate) async fn stay(cx: &Context, run: RunView, how: Stay) -> Verdict {
    if how.detach {
        let text = format!("{}  {}", run.id, named(&run));
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
        cx.printer.say(&format!("{}: {note}", named(&run)));
    }
    if run.retries > 0 && run.attempt > 1 {
        let most = run.retries.saturating_add(1);
        let said = format!("{} failed at attempt {} of at most {most}", named(&run), run.attempt);
        cx.printer.say(&said);
    }
    Err(Failure::Ended(code))
}

/// `mail of shop`; a workload that is called as its component is named once.
pub(crate) fn named(run: &RunView) -> String {
    let component = short(&run.component);
    match component.rsplit('/').next() {
        Some(name) if name == run.workload => component,
        _ => format!("{} of {component}", run.workload),
    }
}

/// What a run came to, for scripts: the command's own code; 128 and the signal's number; 124 where it took too long; 127
/// where it could not be started; 130 where it was cancelled.
pub(crate) fn exit_code(run: &RunView) -> i32 {
    match (run.state, run.exit) {
        (RunState::Succeeded, _) => 0,
        (RunState::TimedOut, _) => 124,
        (RunState::Cancelled, _) => 130,
        (RunState::Failed, Some(Exit::Code { code })) if code != 0 => code,
        (RunState::Failed, Some(Exit::Signal { signal })) => 128 + signal,
        // As a shell says of a program that it can't find.
        (RunState::Failed, Some(Exit::NotStarted)) => 127,
        _ => 1,
    }
}

/// A run, its attempts and its log.
struct Running {
    path: Path,
    attempt: u32,
}

impl Course for Running {
    type View = RunView;

    async fn look(&self, client: &Client, after: Option<i64>) -> Result<RunView, ClientError> {
        client.call::<GetRun>(&self.path, &After { after }, &Nothing {}).await
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

    fn news(&mut self, cx: &Context, view: &RunView) {
        if view.attempt > self.attempt.max(1) {
            let most = view.retries.saturating_add(1);
            cx.printer.say(&format!("attempt {} of at most {most}", view.attempt));
        }
        self.attempt = self.attempt.max(view.attempt);
    }
}

async fn follow(cx: &Context, run: RunView) -> Verdict<RunView> {
    let client = cx.client()?;
    let path = Path { run: run.id };
    let mut running = Running { path: path.clone(), attempt: 0 };
    let cancel = async {
        client.call::<CancelRun>(&path, &Nothing {}, &Nothing {}).await?;
        Ok(format!("asked to cancel: it is told to stop; tow job show {}", path.run))
    };
    Ok(stay::stay(cx, &mut running, cancel).await?.view)
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
