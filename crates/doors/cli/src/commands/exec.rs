//! `tow exec`: a command beside a program that runs, as if it were here.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::terminal::{self, Raw};
use bytes::Bytes;
use std::collections::BTreeMap;
use tow_api::Nothing;
use tow_api::instance::exec::{Size, Start};
use tow_api::instance::list::{InstanceView, ListInstances};
use tow_api::status::get::Query;
use tow_client::{ClientError, Exec, Input, Output};
use tow_record::{Exit, State};

/// What runs where nothing is said.
const SHELL: &str = "sh";
/// What a program that can't be started comes to, as with any shell.
const NOT_STARTED: i32 = 127;

/// Run a command beside a component's program, inside what it sees
///
/// Its exit code is this command's; 128 and the signal's number where a signal ended it, 127 where it could not be
/// started.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component (else the one this folder's files name)
    #[arg(value_name = "COMPONENT")]
    name: Option<String>,
    #[command(flatten)]
    at: Where,
    /// In this workload
    #[arg(short, long, value_name = "NAME")]
    workload: Option<String>,
    /// In this replica, from 0
    #[arg(long, value_name = "N")]
    replica: Option<u32>,
    /// In this container
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Only in this instance
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "component", "environment", "workload", "replica", "container"])]
    instance: Option<String>,
    /// Set a variable for it; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Without a terminal, even where there is one
    #[arg(short = 'T', long)]
    no_tty: bool,
    /// The command, after `--`; a shell where none is given
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(cx: &Context, mut args: Args) -> Verdict {
    if let Some(name) = args.name.take() {
        args.at.component = Some(name);
    }
    let mut env = BTreeMap::new();
    for pair in &args.env {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::new("cli/config", format!("{pair:?} is not NAME=VALUE")));
        };
        env.insert(name.to_string(), value.to_string());
    }
    let instance = match &args.instance {
        Some(id) => id.clone(),
        None => {
            args.at.component = Some(args.at.component()?);
            pick(found(cx, &args.at).await?, &args)?
        }
    };
    let argv = if args.command.is_empty() {
        vec![SHELL.into()]
    } else {
        std::mem::take(&mut args.command)
    };
    let on_terminal = !args.no_tty && terminal::is_ours();
    if on_terminal && let Some(term) = crate::env::TERM.text() {
        env.entry("TERM".into()).or_insert(term);
    }
    let tty = if on_terminal { terminal::size() } else { None };
    let exec = match cx.client()?.exec(&instance, Start { argv, env, tty }).await {
        Ok(exec) => exec,
        // Nothing was begun; for scripts that is what a shell says of a program that it can't find.
        Err(ClientError::Problem(problem)) if problem.code == "exec/refused" => {
            cx.printer.failure(&Failure::Problem(problem));
            return Err(Failure::Ended(NOT_STARTED));
        }
        Err(error) => return Err(error.into()),
    };
    let exit = carry(cx, exec, tty).await?;
    match exit {
        Exit::Code { code: 0 } => Ok(()),
        Exit::Code { code } => Err(Failure::Ended(code)),
        // As a shell says it.
        Exit::Signal { signal } => Err(Failure::Ended(128 + signal)),
        Exit::NotStarted => Err(Failure::Ended(NOT_STARTED)),
        Exit::Timeout | Exit::Unknown => {
            Err(unknown("the command is gone, and nobody knows how it ended".into()))
        }
    }
}

async fn found(cx: &Context, at: &Where) -> Verdict<Vec<InstanceView>> {
    let query = Query { component: Some(at.component()?), environment: Some(at.environment()) };
    let reply = cx.client()?.call::<ListInstances>(&Nothing {}, &query, &Nothing {}).await?;
    Ok(reply.items)
}

/// The one that is meant: one that serves rather than one that does not, and of these the newest.
fn pick(items: Vec<InstanceView>, args: &Args) -> Verdict<String> {
    let said = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|name| name == is);
    let fits = |one: &&InstanceView| {
        said(&args.workload, &one.workload)
            && said(&args.container, &one.container)
            && args.replica.is_none_or(|replica| replica == one.replica)
    };
    let mut meant: Vec<InstanceView> =
        items.iter().filter(|one| one.pid.is_some()).filter(fits).cloned().collect();
    meant.sort_by_key(|one| (one.state != State::Live, -one.deployment, one.replica));
    let Some(first) = meant.first().cloned() else {
        return Err(none_runs(&items, items.iter().find(fits), args));
    };
    let alike = |one: &InstanceView, other: &InstanceView| {
        one.workload == other.workload && one.container == other.container
    };
    if meant.iter().all(|one| alike(one, &first)) {
        return Ok(first.instance);
    }
    // The container that a workload is about is called so by custom.
    let own = |one: &&InstanceView| one.container == "main" || one.container == one.workload;
    let mut by_name = meant.iter().filter(own);
    if let Some(one) = by_name.next()
        && by_name.all(|other| alike(one, other))
    {
        return Ok(one.instance.clone());
    }
    let mut names: Vec<String> = meant
        .iter()
        .map(|one| format!("-w {} --container {}", one.workload, one.container))
        .collect();
    names.sort_unstable();
    names.dedup();
    Err(Failure::new("exec/which", "several programs run, and it is not said which is meant")
        .hint(format!("say one of: {}", names.join(", "))))
}

/// Nothing that is meant runs: what was meant, and what there is instead.
fn none_runs(all: &[InstanceView], meant: Option<&InstanceView>, args: &Args) -> Failure {
    let of = args.at.component.as_deref().unwrap_or("this component");
    let at = args.at.environment();
    if let Some(one) = meant {
        let why = match one.message.as_str() {
            "" => one.state.to_string(),
            message => format!("{}: {message}", one.state),
        };
        let what = format!("{}/{} {}", one.workload, one.replica, one.container);
        return Failure::new("exec/gone", format!("{what} of {of} has no process in {at} ({why})"))
            .hint("tow ps lists what runs; tow restart starts it again");
    }
    let mut said = Vec::new();
    said.extend(args.workload.as_ref().map(|name| format!("workload {name}")));
    said.extend(args.replica.map(|replica| format!("replica {replica}")));
    said.extend(args.container.as_ref().map(|name| format!("container {name}")));
    let mut there: Vec<String> = all
        .iter()
        .filter(|one| one.pid.is_some())
        .map(|one| format!("{}/{} {}", one.workload, one.replica, one.container))
        .collect();
    there.sort_unstable();
    there.dedup();
    if there.is_empty() {
        return Failure::new("exec/gone", format!("nothing of {of} runs in {at}")).hint(format!(
            "tow status {of} -e {at} says how it is: one that is stopped is started by tow start, one that sleeps by \
             a request; -e names another environment"
        ));
    }
    let detail = format!("{of} has no {} that runs in {at}", said.join(", "));
    Failure::new("exec/gone", detail)
        .hint(format!("workload/replica and container that run: {}", there.join(", ")))
}

fn unknown(what: String) -> Failure {
    let mut failure =
        Failure::new("exec/lost", what).hint("tow ps shows whether its instance still runs");
    if let Failure::Problem(problem) = &mut failure {
        problem.untouched = "what the command had done until then stays done".into();
    }
    failure
}

/// A command does not go on without its asker.
fn lost(error: ClientError) -> Failure {
    match error {
        ClientError::Interrupted { reason, .. } => {
            unknown(format!("the connection broke ({reason}): nobody knows how the command ended"))
        }
        other => other.into(),
    }
}

/// Both ways until it has ended. What is typed goes to the command, Ctrl-C too.
async fn carry(cx: &Context, mut exec: Exec, tty: Option<Size>) -> Verdict<Exit> {
    let _raw = tty.map(|_| Raw::enter());
    let mut input = terminal::input();
    let mut resized = terminal::resized().filter(|_| tty.is_some());
    let mut open = true;
    loop {
        let put = tokio::select! {
            said = exec.next() => match said.map_err(lost)? {
                Output::Out(bytes) => {
                    cx.printer.bytes(false, &bytes)?;
                    continue;
                }
                Output::Err(bytes) => {
                    cx.printer.bytes(true, &bytes)?;
                    continue;
                }
                Output::Ended(exit) => return Ok(exit),
            },
            typed = input.recv(), if open => match typed {
                Some(bytes) => Input::Bytes(Bytes::from(bytes)),
                None => {
                    open = false;
                    Input::End
                }
            },
            () = terminal::next(&mut resized) => match terminal::size() {
                Some(size) => Input::Resize(size),
                None => continue,
            },
        };
        // A command that has ended takes nothing more; its last words are still read.
        if let Err(error) = exec.put(put).await {
            loop {
                match exec.next().await {
                    Ok(Output::Out(bytes)) => cx.printer.bytes(false, &bytes)?,
                    Ok(Output::Err(bytes)) => cx.printer.bytes(true, &bytes)?,
                    Ok(Output::Ended(exit)) => return Ok(exit),
                    Err(_) => return Err(lost(error)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_record::{Isolation, Phase};

    fn view(workload: &str, container: &str, replica: u32, deployment: i64) -> InstanceView {
        InstanceView {
            instance: format!("{workload}-{container}-{replica}-{deployment}"),
            component: "shop".into(),
            workload: workload.into(),
            container: container.into(),
            replica,
            environment: "development".into(),
            release: 1,
            deployment,
            pid: Some(1),
            state: State::Live,
            phase: Phase::Running,
            restarts: 0,
            isolation: Isolation::None,
            usage: None,
            ports: BTreeMap::new(),
            message: String::new(),
        }
    }

    fn args(words: &str) -> Args {
        use clap::{Args as _, FromArgMatches as _};
        let command = Args::augment_args(clap::Command::new("exec").no_binary_name(true));
        Args::from_arg_matches(&command.get_matches_from(words.split_whitespace())).unwrap()
    }

    #[test]
    fn the_one_that_is_meant_is_found() {
        let all = || {
            vec![
                view("web", "main", 0, 1),
                view("web", "main", 1, 1),
                view("web", "main", 0, 2),
                view("web", "proxy", 0, 2),
            ]
        };
        let picked = |items, words| pick(items, &args(words)).ok();
        assert_eq!(picked(all(), "").as_deref(), Some("web-main-0-2"), "the newest, main");
        assert_eq!(picked(all(), "--replica 1").as_deref(), Some("web-main-1-1"));
        assert_eq!(picked(all(), "--container proxy").as_deref(), Some("web-proxy-0-2"));
        let old_serves = || {
            let mut all = all();
            all[2].state = State::Rolling;
            all[3].state = State::Rolling;
            all
        };
        assert_eq!(picked(old_serves(), "").as_deref(), Some("web-main-0-1"), "what serves");
        let two = vec![view("web", "main", 0, 1), view("mail", "main", 0, 1)];
        let Err(Failure::Problem(problem)) = pick(two.clone(), &args("")) else { panic!() };
        assert_eq!(problem.code, "exec/which");
        assert_eq!(picked(two, "-w mail").as_deref(), Some("mail-main-0-1"));
        let Err(Failure::Problem(problem)) = pick(Vec::new(), &args("")) else { panic!() };
        assert_eq!((problem.code.as_str(), problem.status), ("exec/gone", 404));
    }

    #[test]
    fn what_comes_after_the_dashes_is_the_command() {
        let args = args("shop -e staging -T -- ls -la --help");
        assert_eq!(args.name.as_deref(), Some("shop"));
        assert_eq!(args.command, ["ls", "-la", "--help"]);
        assert!(args.no_tty);
    }
}
