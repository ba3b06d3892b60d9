//! `tow container DIR`: the process that stands for a container. It finds the container of its instance and attempt or
//! makes it, hands on its log, passes signals on, and ends as it ends. It may be killed at any moment: the next one
//! finds the container by its name and goes on. The engine may be away at any moment: it waits until it is back.

use crate::create;
use crate::exec;
use crate::facts;
use crate::folder::{Folder, Folders};
use crate::image::{self, Trouble};
use crate::logs::Reader;
use crate::memory;
use crate::order::{Now, Order};
use crate::pod;
use crate::program;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tow_engine::{Engine, EngineError};

/// Could not be run.
const BROKEN: i32 = 125;
/// Ended by SIGTERM, before there was anything to end.
const STOPPED: i32 = 143;
/// Between two tries to reach an engine: the first, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often a container is looked at that runs, at the most seldom; and after it was told that it ended.
const LOOK: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(10);
/// How often it is looked whether the shim is there, and a pod's network.
const DESERTED: Duration = Duration::from_millis(300);
const CUT_OFF: Duration = Duration::from_secs(3);
/// How long the end may be held up by an engine that does not answer; what is left is taken away later.
const FAREWELL: Duration = Duration::from_secs(15);

/// `tow container DIR`, or `tow container exec DIR MILLISECONDS PROGRAM ARGS…`. Standard input may be a socket: its end
/// means that the program runs; words on it say why it does not. Returns the exit status.
pub fn container_main(args: Vec<OsString>) -> i32 {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return BROKEN;
    };
    let text: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = text.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["exec", _, limit, argv @ ..] if !argv.is_empty() => {
            let limit = Duration::from_millis(limit.parse().unwrap_or(1000));
            let argv = argv.iter().map(ToString::to_string).collect();
            runtime.block_on(exec::exec(Folder::at(PathBuf::from(&args[1])), limit, argv))
        }
        [_] => runtime.block_on(run(Folder::at(PathBuf::from(&args[0])))),
        _ => fail("usage: tow container DIR | tow container exec DIR MILLISECONDS PROGRAM ARGS…"),
    };
    // A stream that nobody reads must not hold up the end.
    runtime.shutdown_background();
    code
}

/// To the instance's log.
fn say(words: &str) {
    let _ = std::io::stderr().write_all(format!("tow: {words}\n").as_bytes());
}

/// Tells the shim, and whoever reads the log, why nothing runs.
fn fail(why: &str) -> i32 {
    let why = why.replace('\n', " ");
    let told =
        rustix::net::send(rustix::stdio::stdin(), why.as_bytes(), rustix::net::SendFlags::NOSIGNAL);
    if told.is_err() {
        say(&why);
    }
    BROKEN
}

/// From here on the program runs.
fn begun() {
    if let Ok(null) = File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(null);
    }
}

/// Returns when nobody is left to be told how it begins: the shim has died.
async fn deserted() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    loop {
        tokio::time::sleep(DESERTED).await;
        let mut fds = [PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP) {
            return;
        }
    }
}

/// What this role is about.
struct Role {
    folder: Folder,
    folders: Folders,
    order: Order,
    now: Now,
}

/// How a beginning ended.
enum Begun {
    /// The container runs; its process on this machine, where the engine tells.
    Runs(Engine, Option<u32>),
    /// It has ended already, so.
    Ended(Engine, i32),
}

async fn run(folder: Folder) -> i32 {
    let signals = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    let Ok((mut terminate, mut urge)) = signals else { return fail("cannot wait for signals") };
    // The lock is held as long as this process lives.
    let (mut role, _lock) = match Role::open(folder) {
        Ok(opened) => opened,
        Err(why) => return fail(&why),
    };
    let begun_as = tokio::select! {
        begun = role.begin() => Some(begun),
        _ = terminate.recv() => None,
        _ = urge.recv() => None,
        // The next shim would take this process for a program that runs; the next role goes on from here.
        () = deserted() => return BROKEN,
    };
    match begun_as {
        None => {
            say("stopped before it was started");
            let engine = role.now.engine.clone().map(Engine::at);
            role.conclude(engine.as_ref(), STOPPED).await
        }
        Some(Err(why)) => {
            let engine = role.now.engine.clone().map(Engine::at);
            let code = fail(&why);
            role.wait_for(&why);
            role.conclude(engine.as_ref(), code).await
        }
        Some(Ok(Begun::Ended(engine, code))) => {
            begun();
            let (ended, is_ended) = watch::channel(true);
            role.reader(&engine).run(is_ended).await;
            drop(ended);
            role.conclude(Some(&engine), code).await
        }
        Some(Ok(Begun::Runs(engine, pid))) => {
            role.now.pid = match pid {
                Some(pid) => Some(program::process(pid).await),
                None => None,
            };
            if let Err(err) = role.now.write(&role.folder) {
                say(&format!("the start could not be written down: {err}"));
            }
            begun();
            let _ = std::fs::remove_file(role.folder.waiting());
            let code = role.watch(&engine, &mut terminate, &mut urge).await;
            role.conclude(Some(&engine), code).await
        }
    }
}

impl Role {
    /// Reads the order, and goes on with the attempt that was begun, or begins the next.
    fn open(folder: Folder) -> Result<(Self, File), String> {
        let at = |err: &dyn std::fmt::Display| format!("{}: {err}", folder.path().display());
        let lock = folder.lock().map_err(|err| at(&err))?;
        let lock = lock.ok_or_else(|| at(&"another process looks after this container"))?;
        let order = Order::read(&folder).map_err(|err| at(&err))?;
        let order = order.ok_or_else(|| at(&"there is no order"))?;
        let mut now = Now::read(&folder).map_err(|err| at(&err))?.unwrap_or_default();
        if now.attempt == 0 || now.over {
            now = Now { attempt: now.attempt + 1, over: false, pid: None, why: None, ..now };
            now.write(&folder).map_err(|err| at(&err))?;
        }
        let root = folder.path().parent().ok_or_else(|| at(&"it is no folder of an instance"))?;
        let folders = Folders::open(root).map_err(|err| at(&err))?;
        Ok((Self { folder, folders, order, now }, lock))
    }

    fn container(&self) -> String {
        self.order.container(self.now.attempt)
    }

    fn reader(&self, engine: &Engine) -> Reader {
        Reader::new(engine.clone(), self.container(), self.now.attempt, &self.folder)
    }

    /// What it waits for, for whoever observes.
    fn wait_for(&self, why: &str) {
        let _ = crate::folder::replace(&self.folder.waiting(), why.as_bytes(), false);
    }

    /// Until the container runs or has ended; tries as long as it takes where the engine is away.
    async fn begin(&mut self) -> Result<Begun, String> {
        let mut pause = AGAIN.0;
        let mut told = false;
        loop {
            match self.try_begin().await {
                Ok(begun) => return Ok(begun),
                Err(Trouble::Why(why)) => return Err(why),
                Err(Trouble::Away(why)) => {
                    self.wait_for(&why);
                    if !std::mem::replace(&mut told, true) {
                        say(&format!("waiting: {why}"));
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
    }

    async fn try_begin(&mut self) -> Result<Begun, Trouble> {
        let own = |err: std::io::Error| Trouble::Why(format!("the container's folder: {err}"));
        let found = self.engine().await.map_err(Trouble::Away)?;
        let engine = Engine::at(found.socket.clone());
        if self.now.engine.as_ref() != Some(&found.socket) {
            // Before anything is made there: whoever cleans up must know where.
            self.folders.remember(&found.socket).map_err(own)?;
            self.now.engine = Some(found.socket);
            self.now.write(&self.folder).map_err(own)?;
        }
        let name = self.container();
        match state(&engine, &name).await? {
            State::Runs(pid) => {
                say("the container runs: going on with it");
                return Ok(Begun::Runs(engine, pid));
            }
            State::Ended(code, oom) => {
                self.tell_end(oom);
                return Ok(Begun::Ended(engine, code));
            }
            State::Made => {}
            State::None => self.make(&engine, &found.architecture, &name).await?,
        }
        self.start(&engine, &found.architecture, &name).await?;
        match state(&engine, &name).await? {
            State::Ended(code, oom) => {
                self.tell_end(oom);
                Ok(Begun::Ended(engine, code))
            }
            State::Runs(pid) => Ok(Begun::Runs(engine, pid)),
            State::None | State::Made => Ok(Begun::Runs(engine, None)),
        }
    }

    /// The engine that has the container, else the first that answers.
    async fn engine(&self) -> Result<tow_engine::Found, String> {
        if let Some(socket) = &self.now.engine {
            return tow_engine::look(socket).await;
        }
        let mut why = Vec::new();
        let several = self.order.engines.len() > 1;
        for socket in self.order.engines.iter().filter(|socket| !several || socket.exists()) {
            match tow_engine::look(socket).await {
                Ok(found) => return Ok(found),
                Err(reason) => why.push(reason),
            }
        }
        if why.is_empty() {
            why.push("no container engine has a socket on this machine".into());
        }
        Err(why.join("; "))
    }

    async fn make(&self, engine: &Engine, architecture: &str, name: &str) -> Result<(), Trouble> {
        // Of an attempt whose end was written down before it was taken away.
        if self.now.attempt > 1 {
            pod::remove(engine, &self.order.container(self.now.attempt - 1)).await?;
        }
        let fetched = image::ready(engine, &self.order, architecture, |words| {
            self.wait_for(words);
            say(words);
        });
        let image = fetched.await?;
        let why = |err: &dyn std::fmt::Display| Trouble::Why(err.to_string());
        let work = std::env::current_dir().map_err(|err| why(&err))?;
        if self.order.artifact {
            // For whoever the image runs as; the folder around it is the platform's alone.
            use std::os::unix::fs::PermissionsExt as _;
            let open = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&work, open).map_err(|err| why(&err))?;
        }
        let bounds = facts::bounds(engine, self.order.bounds).await;
        let body = |init| {
            let held = create::Held { work: &work, bounds, init };
            let made =
                create::container(&self.order, self.now.attempt, &image, &self.folder, &held);
            made.map_err(Trouble::Why)
        };
        {
            let _lock = self.lock_pod().await?;
            pod::ensure(engine, &self.order, architecture).await?;
            let path = format!("/containers/create?name={name}");
            let mut made = engine.post(&path, &body(true)?).await;
            if let Err(EngineError::Says { message, .. }) = &made
                && message.contains("init")
            {
                // It has none; then the program is the first process.
                made = engine.post(&path, &body(false)?).await;
            }
            match made {
                Err(err) if !err.is_conflict() => return Err(self.refused("made", err)),
                _ => {}
            }
        }
        let argv = create::argv(&self.order, &image).map_err(Trouble::Why)?;
        let dir = create::working_dir(&self.order, &image);
        program::is_there(engine, &self.order, &image, name, &argv, dir, &work).await
    }

    /// The engine's own words, and what they are about.
    fn refused(&self, what: &str, error: EngineError) -> Trouble {
        match Trouble::from(error) {
            Trouble::Why(why) => Trouble::Why(format!(
                "the container of image {} could not be {what}: {why}",
                self.order.image
            )),
            away => away,
        }
    }

    async fn start(&self, engine: &Engine, architecture: &str, name: &str) -> Result<(), Trouble> {
        let _lock = self.lock_pod().await?;
        pod::ensure(engine, &self.order, architecture).await?;
        match engine.post(&format!("/containers/{name}/start"), &json!({})).await {
            Err(err) if !err.is_conflict() => Err(self.refused("started", err)),
            _ => Ok(()),
        }
    }

    async fn lock_pod(&self) -> Result<Option<File>, Trouble> {
        let Some(pod) = self.order.pod.clone() else { return Ok(None) };
        let folders = self.folders.clone();
        let locked = tokio::task::spawn_blocking(move || folders.lock_pod(&pod)).await;
        let locked = locked.map_err(|err| Trouble::Why(err.to_string()))?;
        locked.map(Some).map_err(|err| Trouble::Why(format!("the pod's lock: {err}")))
    }

    /// Until the container has ended; its exit code.
    async fn watch(&mut self, engine: &Engine, terminate: &mut Signal, urge: &mut Signal) -> i32 {
        let name = self.container();
        let (tell, is_ended) = watch::channel(false);
        let mut reader = self.reader(engine);
        let log = tokio::spawn(async move { reader.run(is_ended).await });
        let counted = tokio::spawn(memory::killed(self.now.pid));
        let mut stop_signal = None;
        let (code, oom) = {
            let ended = ended(
                engine,
                &name,
                |why| self.wait_for(why),
                || {
                    let _ = std::fs::remove_file(self.folder.waiting());
                },
            );
            let cut_off = self.cut_off(engine);
            tokio::pin!(ended);
            tokio::pin!(cut_off);
            let mut connected = true;
            loop {
                tokio::select! {
                    end = &mut ended => break end,
                    () = &mut cut_off, if connected => {
                        connected = false;
                        say("the pod's network is gone: the container is ended");
                        let _ = kill(engine, &name, "SIGKILL").await;
                    }
                    _ = terminate.recv() => {
                        if stop_signal.is_none() {
                            stop_signal = Some(self.stop_signal(engine).await);
                        }
                        let signal = stop_signal.as_deref().unwrap_or("SIGTERM");
                        if let Err(err) = kill(engine, &name, signal).await {
                            say(&format!("it could not be told to end: {err}"));
                        }
                    }
                    _ = urge.recv() => {
                        if let Err(err) = kill(engine, &name, "SIGKILL").await {
                            say(&format!("it could not be killed: {err}"));
                        }
                    }
                }
            }
        };
        // Where it could be known, it is known by now: the engine told of the end later.
        let counted = if counted.is_finished() { counted.await.unwrap_or(false) } else { false };
        self.tell_end(oom || (counted && code != 0));
        let _ = tell.send(true);
        let _ = tokio::time::timeout(FAREWELL, log).await;
        code
    }

    fn tell_end(&mut self, oom: bool) {
        if oom {
            let limit =
                self.order.bounds.memory.map_or_else(String::new, |memory| {
                    format!(" of {} MiB", memory / (1024 * 1024))
                });
            let why = format!("killed: it used more memory than its limit{limit}");
            say(&why);
            self.now.why = Some(why);
        }
    }

    /// The signal by which the image wants to be told to end.
    async fn stop_signal(&self, engine: &Engine) -> String {
        let look = image::look(engine, &self.order.image).await;
        let said = look.ok().flatten().map(|said| image::read(&said));
        said.and_then(|image| image.stop_signal).unwrap_or_else(|| "SIGTERM".into())
    }

    /// Returns when the pod's network has ended; never without one.
    async fn cut_off(&self, engine: &Engine) {
        match self.order.pause() {
            Some(pause) => loop {
                tokio::time::sleep(CUT_OFF).await;
                if matches!(state(engine, &pause).await, Ok(State::Ended(..) | State::None)) {
                    return;
                }
            },
            None => std::future::pending().await,
        }
    }

    /// Writes down how it ended, and takes the container away; an engine that is away does not hold up the end.
    async fn conclude(&mut self, engine: Option<&Engine>, code: i32) -> i32 {
        self.now.exit = Some(code);
        self.now.pid = None;
        self.now.over = true;
        if let Err(err) = self.now.write(&self.folder) {
            say(&format!("the end could not be written down: {err}"));
        }
        if let Some(engine) = engine {
            let name = self.container();
            let removed = tokio::time::timeout(FAREWELL, pod::remove(engine, &name)).await;
            if let Ok(Err(Trouble::Away(why) | Trouble::Why(why))) = removed {
                say(&format!("the container is left for later: {why}"));
            }
        }
        code
    }
}

/// Where a container is.
enum State {
    None,
    Made,
    /// Its process on this machine, where the engine tells.
    Runs(Option<u32>),
    /// Its exit code, and whether memory was the reason.
    Ended(i32, bool),
}

async fn state(engine: &Engine, name: &str) -> Result<State, EngineError> {
    let said = match engine.get(&format!("/containers/{name}/json")).await {
        Err(err) if err.is_missing() => return Ok(State::None),
        other => other?,
    };
    let state = &said["State"];
    let status = state["Status"].as_str().unwrap_or_default();
    if state["Running"] == Value::Bool(true) || matches!(status, "running" | "stopping" | "paused")
    {
        let pid = state["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        return Ok(State::Runs(pid.filter(|pid| *pid > 0)));
    }
    if matches!(status, "exited" | "stopped" | "dead" | "removing") {
        let code = state["ExitCode"].as_i64().and_then(|code| i32::try_from(code).ok());
        return Ok(State::Ended(code.unwrap_or(BROKEN), state["OOMKilled"] == Value::Bool(true)));
    }
    Ok(State::Made)
}

/// Returns when a container does not run any more: its exit code, and whether memory was the reason. `away` is told why
/// nobody knows just now, `back` that it is known again.
///
/// The engine is asked to tell of the end, in the one way that costs it nothing; an end between two questions would never
/// be told, so it is looked at beside, ever more seldom.
async fn ended(engine: &Engine, name: &str, away: impl Fn(&str), back: impl Fn()) -> (i32, bool) {
    let mut is_away = false;
    let (mut pause, mut soon) = (AGAIN.0, SOON);
    loop {
        let told = next_end(engine, name);
        tokio::pin!(told);
        loop {
            match state(engine, name).await {
                Ok(State::Ended(code, oom)) => return (code, oom),
                Ok(State::None) => {
                    say("the container is gone: somebody took it away");
                    return (137, false);
                }
                Ok(State::Runs(_) | State::Made) => {
                    if std::mem::take(&mut is_away) {
                        back();
                    }
                }
                Err(err) => {
                    is_away = true;
                    away(&err.to_string());
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                    // Whoever is back knows nothing of what was asked before.
                    break;
                }
            }
            tokio::select! {
                _ = &mut told => {
                    // An engine may tell the end before its own books are in order.
                    tokio::time::sleep(soon).await;
                    soon = (soon * 2).min(LOOK);
                    break;
                }
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LOOK),
            }
        }
    }
}

async fn next_end(engine: &Engine, name: &str) -> Result<(), EngineError> {
    use http_body_util::BodyExt as _;
    let path = format!("/containers/{name}/wait?condition=next-exit");
    let body = engine.stream(http::Method::POST, &path, &[]).await?;
    body.collect().await.map(drop).map_err(|err| EngineError::Away(err.to_string()))
}

async fn kill(engine: &Engine, name: &str, signal: &str) -> Result<(), EngineError> {
    match engine.post(&format!("/containers/{name}/kill?signal={signal}"), &json!({})).await {
        Err(err) if !err.is_conflict() && !err.is_missing() => Err(err),
        _ => Ok(()),
    }
}
