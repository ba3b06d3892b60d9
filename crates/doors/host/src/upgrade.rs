//! `tow upgrade`: another build of this program takes the running platform's place. It is tried first; then the control
//! plane becomes it, and has the gateway renewed; workloads, routes and sockets go on. A build that does not come up gives
//! the place back. The control plane's half, which becomes the other program, is here too.

use crate::{Global, data, error::HostError, executable, rehearsal, stop, up};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use tow_platform::Layout;

/// How long a build that is tried may take to say who it is.
const TRY: Duration = Duration::from_secs(20);
/// How long the platform may take to be back.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody had the data directory for so long: between two programs it is some milliseconds.
const GONE: Duration = Duration::from_secs(5);
/// After it has ended what it said is there; what it left behind may hold its output.
const HEARD: Duration = Duration::from_secs(1);
/// Bytes of what is tried that are looked at.
const MOST: u64 = 64 * 1024;
const LOOK: Duration = Duration::from_millis(20);
/// Tells the program that a control plane becomes who it was before, to be given the place back; empty where it was given
/// back.
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
    let running = data::running(&layout).ok_or_else(|| {
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
    let program = program.canonicalize().map_err(|error| no_program(&program, &error))?;
    // Two at a time would order each other's away.
    let Some(turn) = data::locked(&layout.run().join("upgrade.lock"))? else {
        return Err(HostError::new("host/upgrade", "another tow upgrade is under way")
            .untouched("everything")
            .hint("wait until it has ended")
            .exits(5));
    };
    tried(&program, &layout, args.database.as_deref())?;
    takes_options(&program, running.pid)?;
    let copy = executable::copy_of(&layout, &program)?;
    let build = executable::build(&copy);
    if running.build.as_ref() == Some(&build) {
        say(global, &build, false);
        return Ok(());
    }
    let _ = std::fs::remove_file(failed(&layout));
    data::write_private(&order(&layout), &build)?;
    tell(&layout, running.pid).inspect_err(|_| {
        let _ = std::fs::remove_file(order(&layout));
    })?;
    wait(&layout, &build)?;
    drop(turn);
    say(global, &build, true);
    Ok(())
}

/// Tells the control plane that there is an order.
fn tell(layout: &Layout, pid: u32) -> Result<(), HostError> {
    let goes_on = |why: String| {
        HostError::new("host/upgrade", why).untouched("the platform, which goes on as it is")
    };
    // It takes time to try a program: the one that was asked for may have ended meanwhile, and another may have its number.
    if data::running(layout).is_none_or(|file| file.pid != pid) {
        return Err(goes_on("the platform ended or began anew meanwhile".into()));
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| goes_on("the platform has no process".into()))?;
    kill_process(pid, Signal::USR2)
        .map_err(|error| goes_on(format!("the control plane can't be told: {error}")))
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

/// What the control plane is to become: the name of a copy.
fn order(layout: &Layout) -> PathBuf {
    layout.run().join("upgrade")
}

/// Why what it became gave the place back.
fn failed(layout: &Layout) -> PathBuf {
    layout.run().join("upgrade.failed")
}

/// The program that was named can't be looked at.
fn no_program(program: &Path, error: &std::io::Error) -> HostError {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_string(),
        _ => error.to_string(),
    };
    unfit(program, &why).hint("--to names a program tow of this machine's kind").exits(2)
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

/// Does it know the options that the platform was started with? It will be started with the same.
fn takes_options(program: &Path, pid: u32) -> Result<(), HostError> {
    use std::os::unix::ffi::OsStrExt as _;
    // Where nobody says them, they can't be tried.
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return Ok(()) };
    let args = line.split(|byte| *byte == 0).skip(1).filter(|arg| !arg.is_empty());
    // Asked for help, it says so of the first that it does not know, and starts nothing.
    let more = [rehearsal::FLAG, "--help"].map(std::ffi::OsStr::new);
    let asked = args.map(std::ffi::OsStr::from_bytes).chain(more);
    let (ended, _, why) =
        run(Command::new(program).args(asked)).map_err(|error| unfit(program, &error))?;
    if ended {
        return Ok(());
    }
    let line = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    Err(unfit(
        program,
        &format!("it does not take the options that the platform runs with: {line}"),
    )
    .hint("end the platform with SIGTERM and start the new one with options that it knows"))
}

/// Runs it to its end; one that takes too long is ended. Whether it ended well, and the beginning of what it said.
fn run(command: &mut Command) -> std::io::Result<(bool, String, String)> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (heard(child.stdout.take()), heard(child.stderr.take()));
    let until = Instant::now() + TRY;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::other("it does not come to an end"));
        }
        pause();
    };
    // Whoever it left behind may hold its output for ever.
    let text = |heard: Receiver<String>| heard.recv_timeout(HEARD).unwrap_or_default();
    Ok((status.success(), text(out), text(err)))
}

/// Reads beside whoever waits, so that one that says much is not kept from its end.
fn heard(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(MOST).read_to_end(&mut bytes);
            let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
    });
    told
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
fn wait(layout: &Layout, build: &str) -> Result<(), HostError> {
    let until = Instant::now() + PATIENCE;
    let (mut is_back, mut gone) = (false, None);
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
        if is_back && (!has_gateway(layout) || runs_gateway(layout, build)) {
            return Ok(());
        }
        if cfg!(target_os = "linux") && data::holder(&layout.lock()).is_none() {
            let since = *gone.get_or_insert_with(Instant::now);
            if since.elapsed() > GONE {
                return Err(HostError::new("host/upgrade", "the platform ended and is not back")
                    .untouched("workloads and gateway, which go on serving")
                    .hint("the log of tow up says why; start it again: tow up"));
            }
        } else {
            gone = None;
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

/// Is what serves as the gateway of this build? One that was may still be ending what it began.
fn runs_gateway(layout: &Layout, build: &str) -> bool {
    let state = std::fs::read(layout.instances().join("gateway/state.json")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
    // By its name alone: the same folder may be known by several paths.
    state["runs"][0].as_str().is_some_and(|runs| executable::build(Path::new(runs)) == build)
}

/// Is there an order? A signal without one is nobody's.
pub(crate) fn is_ordered(layout: &Layout) -> bool {
    order(layout).is_file()
}

/// What a control plane is to become, once it has ended its work.
#[derive(Debug)]
pub(crate) struct Become {
    program: PathBuf,
    /// The copy of what it is now, which is there whatever became of the program that it was made of.
    before: PathBuf,
    listen: String,
}

impl Become {
    /// What was ordered. `before`: the copy of what runs; `listen`: where API and portal listen now, and shall go on to.
    pub(crate) fn ordered(layout: &Layout, before: &Path, listen: String) -> Option<Self> {
        let name = std::fs::read_to_string(order(layout)).ok()?;
        let _ = std::fs::remove_file(order(layout));
        // A name, and no way out of the folder.
        let name = Path::new(name.trim()).file_name()?.to_owned();
        Some(Self { program: layout.bin().join(name), before: before.to_path_buf(), listen })
    }

    /// Becomes it, once it has rehearsed; where that comes to nothing, what it was. Returns only where that fails, too, or
    /// where somebody ended the platform meanwhile.
    pub(crate) fn go(self, layout: &Layout) -> Result<(), HostError> {
        let args = args_with(std::env::args_os().skip(1), &self.listen);
        let why = match rehearsal::rehearse(
            &self.program,
            args.clone(),
            (&self.listen, BEFORE),
            layout,
        ) {
            Ok(None) => {
                let why = Command::new(&self.program).args(args).env(BEFORE, &self.before).exec();
                format!("{}: {why}", self.program.display())
            }
            Ok(Some(reason)) => {
                let told = "the platform was told to end meanwhile";
                let _ = data::write_private(&failed(layout), told);
                return stop::leave(reason, layout, &self.before);
            }
            Err(why) => why,
        };
        let error = HostError::new("host/upgrade", why)
            .untouched("workloads and gateway, which go on serving")
            .hint("start the platform again: tow up");
        Err(give_back(layout, &self.before, Some(&self.listen), error))
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
pub(crate) fn before() -> Option<PathBuf> {
    said().filter(|before| !before.is_empty()).map(PathBuf::from)
}

/// Did this process run another program before? Whoever started that had its line, and may not listen any more.
pub(crate) fn is_successor() -> bool {
    said().is_some()
}

#[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
fn said() -> Option<std::ffi::OsString> {
    std::env::var_os(BEFORE)
}

/// The shims that a program before this one had started are this process's children still: as they end, nobody else
/// takes notice. To be called before anything is started, which is somebody's to wait for.
pub(crate) fn reap_inherited() -> impl Future<Output = ()> + Send {
    let mut children = children();
    async move {
        while !children.is_empty() {
            children.retain(|pid| {
                let how = rustix::process::WaitOptions::NOHANG;
                matches!(rustix::process::waitpid(Some(*pid), how), Ok(None))
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
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

/// A word for whoever looks at the platform's errors. Nobody may: what can't be said must not end the platform.
pub(crate) fn mention(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Gives the place back to whoever had it. `listen`: where, unless the command line says so already. Returns only where
/// that fails too.
pub(crate) fn give_back(
    layout: &Layout,
    to: &Path,
    listen: Option<&str>,
    why: HostError,
) -> HostError {
    let _ = data::write_private(&failed(layout), why.detail());
    mention(&format!("not upgraded: {}", why.detail()));
    let own = std::env::args_os().skip(1);
    let args = match listen {
        Some(listen) => args_with(own, listen),
        None => own.collect(),
    };
    let error = Command::new(to).args(args).env(BEFORE, "").exec();
    mention(&format!("{}: {error}", to.display()));
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
