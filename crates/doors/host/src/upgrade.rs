//! `tow upgrade`: another build of this program takes the running platform's place. It is tried first; then the control
//! plane becomes it, and has the gateway renewed; workloads, routes and sockets go on. A build that does not come up gives
//! the place back. The control plane's half, which becomes the other program, is here too.

use crate::{Global, data, error::HostError, executable, up};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tow_platform::Layout;

/// How long a build that is tried may take to say who it is.
const TRY: Duration = Duration::from_secs(20);
/// How long the platform may take to be back.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Tells the program that a control plane becomes where it was before, to be given the place back.
const BEFORE: &str = "TOW_UPGRADED_FROM";

/// Put another build of tow in the running platform's place, without a request lost
///
/// Workloads, routes and open connections go on; API and portal are away for a moment. Without --to it is this very
/// program. A build that does not start, or that knows only an older form of the store, is refused, and nothing changes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Upgrade {
    /// The program that is to run
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
    /// Only say whether this program could take over the data directory's store
    #[arg(long, hide = true)]
    check: bool,
    /// The Postgres database the platform keeps everything in (else TOW_DATABASE)
    #[arg(long, value_name = "URL", env = "TOW_DATABASE", hide_env = true)]
    database: Option<String>,
}

/// Does it, and waits until the platform is back.
pub(crate) fn upgrade(args: &Upgrade, global: &Global) -> Result<(), HostError> {
    let layout = data::layout(global)?;
    if args.check {
        return check(args, &layout);
    }
    let running = data::platform_file(&layout).filter(|_| is_up(&layout));
    let running = running.ok_or_else(|| {
        HostError::new(
            "host/not-running",
            format!("no platform is running with its data in {}", layout.root().display()),
        )
        .untouched("everything")
        .hint("there is nothing to replace: start it with the new program, tow up")
    })?;
    let program = match &args.to {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(|error| unfit(Path::new("tow"), &error))?,
    };
    let program = program.canonicalize().map_err(|error| unfit(&program, &error))?;
    tried(&program, &layout, args.database.as_deref())?;
    let copy = executable::copy_of(&layout, &program)?;
    let build = executable::build(&copy);
    if running.build.as_ref() == Some(&build) {
        say(global, &build, false);
        return Ok(());
    }
    let _ = std::fs::remove_file(failed(&layout));
    data::write_private(&order(&layout), &copy.display().to_string())?;
    let pid = i32::try_from(running.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| HostError::new("host/upgrade", "the platform has no process"))?;
    kill_process(pid, Signal::USR2).map_err(|error| {
        HostError::new("host/upgrade", format!("the control plane can't be told: {error}"))
            .untouched("the platform, which goes on as it is")
    })?;
    wait(&layout, &copy, &build)?;
    say(global, &build, true);
    Ok(())
}

fn say(global: &Global, build: &str, changed: bool) {
    let value = serde_json::json!({"build": build, "changed": changed});
    if global.yaml {
        global.print(&value);
    } else if global.json {
        anstream::println!("{value}");
    } else if changed {
        anstream::println!("upgraded: the platform and its gateway run {build}");
    } else {
        anstream::println!("nothing to do: the platform runs {build} already");
    }
}

/// Somebody holds the data directory's lock.
fn is_up(layout: &Layout) -> bool {
    matches!(data::lock(layout), Ok(None))
}

/// What the control plane is to become.
fn order(layout: &Layout) -> PathBuf {
    layout.run().join("upgrade")
}

/// Why what it became gave the place back.
fn failed(layout: &Layout) -> PathBuf {
    layout.run().join("upgrade.failed")
}

fn unfit(program: &Path, why: &dyn std::fmt::Display) -> HostError {
    HostError::new("host/upgrade", format!("{} can't take over: {why}", program.display()))
        .untouched("the platform, which goes on as it is")
}

/// Runs it twice, for little: does it start at all, and does it know the store?
fn tried(program: &Path, layout: &Layout, database: Option<&str>) -> Result<(), HostError> {
    let (ended, said, why) =
        run(Command::new(program).arg("--version")).map_err(|error| unfit(program, &error))?;
    if !ended || !said.starts_with("tow ") {
        let why = why.trim().lines().next_back().unwrap_or_default().to_string();
        let why = if ended { "it is not tow".into() } else { format!("it does not run: {why}") };
        return Err(unfit(program, &why).hint("--to names a program tow of this machine's kind"));
    }
    let mut check = Command::new(program);
    check.args(["upgrade", "--check", "-o", "json", "--data"]).arg(layout.root());
    if let Some(database) = database {
        check.env("TOW_DATABASE", database);
    }
    let (ended, _, why) = run(&mut check).map_err(|error| unfit(program, &error))?;
    if ended {
        return Ok(());
    }
    let line = why.trim().lines().next_back().unwrap_or_default();
    match serde_json::from_str::<tow_record::Problem>(line) {
        Ok(problem) => {
            let error = HostError::new(&problem.code, problem.detail)
                .untouched("the platform, which goes on as it is");
            Err(match problem.hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
        Err(_) => Err(unfit(program, &"it does not say whether it knows the store")
            .hint("it may be older than tow upgrade: that is no upgrade")),
    }
}

/// Runs it to its end; one that takes too long is ended. Whether it ended well, and what it said.
fn run(command: &mut Command) -> std::io::Result<(bool, String, String)> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let until = Instant::now() + TRY;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::other("it does not come to an end"));
        }
        pause();
    }
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, with a deadline")]
fn pause() {
    std::thread::sleep(LOOK);
}

/// Says whether this program knows the form of the store. Changes nothing.
fn check(args: &Upgrade, layout: &Layout) -> Result<(), HostError> {
    let location = up::location(args.database.as_deref(), layout)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    runtime
        .block_on(tow_platform::may_take_over(&location))
        .map_err(|error| up::from_store(&error).untouched("everything"))
}

/// Until the platform says that it is this build, and its gateway is.
fn wait(layout: &Layout, copy: &Path, build: &str) -> Result<(), HostError> {
    let until = Instant::now() + PATIENCE;
    let mut is_back = false;
    while Instant::now() < until {
        if let Ok(why) = std::fs::read_to_string(failed(layout)) {
            return Err(HostError::new(
                "host/upgrade",
                format!("it did not come up: {}", why.trim()),
            )
            .untouched("workloads and gateway; the platform runs the build it had"));
        }
        is_back = is_back
            || data::platform_file(layout).is_some_and(|file| file.build.as_deref() == Some(build));
        if is_back && (!has_gateway(layout) || runs_gateway(layout, copy)) {
            return Ok(());
        }
        pause();
    }
    let what = if is_back { "its gateway is not renewed" } else { "the platform is not back" };
    Err(HostError::new("host/upgrade", format!("{what} after {} s", PATIENCE.as_secs()))
        .hint("tow doctor; the log of tow up says more"))
}

fn has_gateway(layout: &Layout) -> bool {
    layout.instances().join("gateway").is_dir()
}

/// Is there a gateway of this folder that runs this program, and none that runs another and serves?
fn runs_gateway(layout: &Layout, copy: &Path) -> bool {
    let state = std::fs::read(layout.instances().join("gateway/state.json")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
    state["runs"][0].as_str().is_some_and(|runs| Path::new(runs) == copy)
}

/// What a control plane is to become, once it has ended its work.
#[derive(Debug)]
pub(crate) struct Become {
    program: PathBuf,
    listen: String,
}

impl Become {
    /// What was ordered. `listen`: where API and portal listen now, and shall go on to.
    pub(crate) fn ordered(layout: &Layout, listen: String) -> Option<Self> {
        let program = std::fs::read_to_string(order(layout)).ok()?;
        let _ = std::fs::remove_file(order(layout));
        let program = PathBuf::from(program.trim());
        program.starts_with(layout.bin()).then_some(Self { program, listen })
    }

    /// Becomes it. Returns only where that fails.
    pub(crate) fn go(self) -> HostError {
        let args = args_with(std::env::args_os().skip(1), &self.listen);
        let mut command = Command::new(&self.program);
        command.args(args);
        if let Ok(own) = std::env::current_exe() {
            command.env(BEFORE, own);
        }
        let why = command.exec();
        HostError::new("host/upgrade", format!("{}: {why}", self.program.display()))
            .untouched("workloads and gateway, which go on serving")
            .hint("start the platform again: tow up")
    }
}

/// The same command line, listening where it listens now.
fn args_with(
    args: impl Iterator<Item = std::ffi::OsString>,
    listen: &str,
) -> Vec<std::ffi::OsString> {
    let mut out = Vec::new();
    let mut skip = false;
    for arg in args {
        let text = arg.to_string_lossy();
        if std::mem::take(&mut skip) {
            continue;
        }
        skip = text == "--listen";
        if !skip && !text.starts_with("--listen=") {
            out.push(arg);
        }
    }
    out.extend(["--listen".into(), listen.into()]);
    out
}

/// Who had the place before this very process, where it has just become what it is.
#[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
pub(crate) fn before() -> Option<PathBuf> {
    std::env::var_os(BEFORE).map(PathBuf::from)
}

/// The shims that the program before had started are this process's children still: as they end, nobody else takes
/// notice.
pub(crate) async fn reap_inherited() {
    let mut children = children();
    while !children.is_empty() {
        children.retain(|pid| {
            let ended = rustix::process::waitpid(Some(*pid), rustix::process::WaitOptions::NOHANG);
            matches!(ended, Ok(None))
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn children() -> Vec<Pid> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_ours = |pid: &i32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = line.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        parent.and_then(|parent| parent.parse().ok()) == Some(own)
    };
    pids.filter(is_ours).filter_map(Pid::from_raw).collect()
}

/// Gives the place back to whoever had it. Returns only where that fails too.
pub(crate) fn give_back(layout: &Layout, to: &Path, why: HostError) -> HostError {
    let _ = data::write_private(&failed(layout), why.detail());
    anstream::eprintln!("not upgraded: {}", why.detail());
    let error = Command::new(to).args(std::env::args_os().skip(1)).env_remove(BEFORE).exec();
    anstream::eprintln!("{}: {error}", to.display());
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_goes_on_listening_where_it_listens() {
        let args = |text: &str| text.split(' ').map(std::ffi::OsString::from).collect::<Vec<_>>();
        let with = |text: &str| args_with(args(text).into_iter(), "127.0.0.1:7070");
        assert_eq!(with("up"), args("up --listen 127.0.0.1:7070"));
        assert_eq!(
            with("up --listen 127.0.0.1:0 --demo"),
            args("up --demo --listen 127.0.0.1:7070")
        );
        assert_eq!(with("up --listen=[::1]:0"), args("up --listen 127.0.0.1:7070"));
    }
}
