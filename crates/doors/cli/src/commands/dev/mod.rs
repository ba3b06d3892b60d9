//! `tow dev`: a component runs here, from the folder itself, with what the environment would give it; built and started
//! again whenever a file changes. Nothing is sent to the platform but the question what the configuration is, and no
//! value of it is written down or shown.

mod component;
mod program;
mod tool;
mod watch;

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use component::{Local, Values};
use owo_colors::OwoColorize;
use program::{Built, Line, Program};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tool::Tool;
use watch::Watch;

/// How long a program may take until its port accepts, before it is said that it does not.
const UNTIL_LIVE: Duration = Duration::from_secs(60);
/// What is said of one that has no URL.
const RUNNING: &str = "running";
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(30);

/// Run a component here against an environment's configuration, and again at each change
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that holds score.yaml (else this one)
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
    #[command(flatten)]
    at: Where,
    /// Only this workload
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    /// On this port of this machine, the first workload that has one
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
}

/// What happens, for programs.
#[derive(Debug, Serialize)]
struct Happened<'a> {
    /// `building`, `broken`, `live`, `ended`, `line`, `changed`.
    what: &'a str,
    /// The workload, or `build`.
    source: &'a str,
    /// The URL, the line, or in words how it went.
    text: &'a str,
}

/// What wakes the loop.
enum Woken {
    Line(Line),
    Changed,
    Ended(usize, String),
    Live(usize),
    Late(usize),
    Over,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let dir = args.dir.canonicalize().map_err(|error| Failure::file(&args.dir, &error))?;
    let mut over = Over::new()?;
    let mut changes = Watch::new(&dir)?.tell();
    let (sender, mut lines) = mpsc::channel(1024);
    let mut local = Local::read(&dir, &args.at, args.workload.as_deref())?;
    let mut values = Values::ask(cx, &local).await?;
    local.give_ports(args.port)?;
    say_what_is_not_here(cx, &local);
    let mut programs: Vec<Program> = Vec::new();
    loop {
        // What serves goes on serving until there is something to take its place.
        happened(cx, "building", "build", &format!("{} {}", local.component, local.tool.how()))?;
        let built = {
            let building = program::build(&local, &values, sender.clone());
            tokio::pin!(building);
            loop {
                tokio::select! {
                    biased;
                    () = over.next() => break None,
                    Some(line) = lines.recv() => shown(cx, &line)?,
                    built = &mut building => break Some(built?),
                }
            }
        };
        let Some(built) = built else { break };
        // Its last words come before what follows from them.
        while let Ok(line) = lines.try_recv() {
            shown(cx, &line)?;
        }
        match built {
            Built::Broken(why) => {
                let goes_on = if programs.is_empty() { "" } else { "; what ran before goes on" };
                happened(cx, "broken", "build", &format!("{why}{goes_on}"))?;
            }
            Built::Well(entry) => {
                end_all(&mut programs).await;
                for workload in &local.workloads {
                    let sender = sender.clone();
                    match Program::start(&local, workload, &entry, &values, sender) {
                        Ok(program) => programs.push(program),
                        Err(why) => happened(cx, "ended", &workload.name, &why)?,
                    }
                }
            }
        }
        let changed = loop {
            match woken(&mut over, &mut lines, &mut changes, &mut programs).await {
                Woken::Over => break false,
                Woken::Changed => break true,
                Woken::Line(line) => shown(cx, &line)?,
                Woken::Live(at) => {
                    let program = &programs[at];
                    let text = program.url().unwrap_or_else(|| RUNNING.into());
                    happened(cx, "live", &program.name, &text)?;
                }
                Woken::Late(at) => {
                    let text = "nothing listens on its port yet: does it read PORT?";
                    happened(cx, "line", &programs[at].name, text)?;
                }
                Woken::Ended(at, how) => {
                    let program = programs.remove(at);
                    let text = format!("{how}; it is started again at the next change");
                    happened(cx, "ended", &program.name, &text)?;
                }
            }
        };
        if !changed {
            break;
        }
        happened(cx, "changed", "build", "a file changed")?;
        again(cx, &mut local, &mut values, &args).await?;
    }
    end_all(&mut programs).await;
    while let Ok(line) = lines.try_recv() {
        shown(cx, &line)?;
    }
    cx.printer.say("stopped; nothing of it runs any more");
    Ok(())
}

/// Reads everything again; what can't be read stays as it was, and is said.
async fn again(cx: &Context, local: &mut Local, values: &mut Values, args: &Args) -> Verdict {
    let fresh = match Local::read(&local.dir, &args.at, args.workload.as_deref()) {
        Ok(fresh) => fresh,
        Err(failure) => {
            cx.printer.failure(&failure);
            return Ok(());
        }
    };
    let ports = std::mem::take(&mut local.ports);
    *local = fresh;
    local.ports = ports;
    local.give_ports(None)?;
    match Values::ask(cx, local).await {
        Ok(fresh) => *values = fresh,
        Err(failure) => cx.printer.failure(&failure),
    }
    Ok(())
}

async fn woken(
    over: &mut Over,
    lines: &mut mpsc::Receiver<Line>,
    changes: &mut mpsc::Receiver<()>,
    programs: &mut [Program],
) -> Woken {
    loop {
        tokio::select! {
            biased;
            () = over.next() => return Woken::Over,
            Some(line) = lines.recv() => return Woken::Line(line),
            Some(()) = changes.recv() => return Woken::Changed,
            () = tokio::time::sleep(LOOK) => {}
        }
        for (at, program) in programs.iter_mut().enumerate() {
            if let Some(how) = program.ended() {
                return Woken::Ended(at, how);
            }
            if program.is_live_now().await {
                return Woken::Live(at);
            }
            if program.is_late_now(UNTIL_LIVE) {
                return Woken::Late(at);
            }
        }
    }
}

async fn end_all(programs: &mut Vec<Program>) {
    futures::future::join_all(programs.drain(..).map(Program::end)).await;
}

fn say_what_is_not_here(cx: &Context, local: &Local) {
    for note in &local.notes {
        cx.printer.say(note);
    }
}

fn shown(cx: &Context, line: &Line) -> Verdict {
    happened(cx, "line", &line.source, &line.text)
}

fn happened(cx: &Context, what: &str, source: &str, text: &str) -> Verdict {
    cx.printer.item(&Happened { what, source, text }, || match what {
        "line" => format!("{} │ {text}", source.cyan()),
        "live" if text == RUNNING => format!("{} {}", source.cyan(), "live".green()),
        "live" => format!("{} {} {text}", source.cyan(), "live".green()),
        "ended" if text.starts_with("ended") => {
            format!("{} {}{}", source.cyan(), "ended".red(), &text["ended".len()..])
        }
        "broken" | "ended" => format!("{} {} {text}", source.cyan(), what.red()),
        _ => format!("{} {what}: {text}", source.cyan()),
    })
}

/// Somebody wants it to be over: Ctrl-C, or whoever ends the terminal.
struct Over(Vec<tokio::signal::unix::Signal>);

impl Over {
    fn new() -> Verdict<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let signals: Result<_, _> = kinds.into_iter().map(signal).collect();
        signals.map(Self).map_err(|error| Failure::new("cli/runtime", error.to_string()))
    }

    async fn next(&mut self) {
        let all = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(all).await;
    }
}

/// What a program is given beside what it says itself.
type Environment = BTreeMap<String, String>;

/// A path below a folder, or the folder.
fn below(dir: &Path, path: Option<&str>) -> PathBuf {
    path.map_or_else(|| dir.to_path_buf(), |path| dir.join(path))
}
