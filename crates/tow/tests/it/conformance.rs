//! The contract of the port `runtime`, case by case, on every runtime: instances that are only pretended, and real ones
//! under the shims of the real binary. One matrix is made of it, and held to the page that is kept.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test is told by its environment which cases to run"
)]

use bytes::Bytes;
use futures::StreamExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tow_names::{Digest, Duration, Id, Name};
use tow_platform::SystemClock;
use tow_platform::fakes::{FakeClock, World};
use tow_ports::Blobs;
use tow_record::{Executes, Exit, ObservedInstance};
use tow_runtime_container::ContainerRuntime;
use tow_runtime_process::{Config, ProcessRuntime, stop_everything};
use tow_testkit::conformance::runtime::shell::Shell;
use tow_testkit::conformance::runtime::{Act, Column, Harness, Program, compare, print, run};
use tow_testkit::engine::{Image, Podman};

/// The page that is kept.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/concepts/conformance.md");
/// So many real cases run beside each other.
const AT_ONCE: usize = 6;

/// The real binary.
fn tow() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tow"))
}

fn executes(spec: &str) -> Executes {
    Executes { name: Name::local(), spec: serde_json::from_str(spec).unwrap() }
}

async fn put(blobs: &dyn Blobs, archive: Vec<u8>) -> Digest {
    let archive = futures::stream::iter([Ok(Bytes::from(archive))]).boxed();
    blobs.put(archive, 1 << 20).await.unwrap().0
}

fn pretended(acts: &[Act]) -> Vec<String> {
    vec!["pretended".into(), serde_json::to_string(acts).unwrap()]
}

async fn fake() -> Harness {
    let clock = FakeClock::new();
    let world = World::new(clock.clone()).unwrap();
    let artifact = put(&world.blobs(), br#"{"note":"from the artifact"}"#.to_vec()).await;
    let (reopened, reached, broken) = (world.clone(), world.clone(), world.clone());
    let argv = |acts: &[Act]| Some(pretended(acts));
    Harness {
        runtime: Arc::new(world.runtime()),
        executes: executes(r#"{"type":"container"}"#),
        program: Box::new(move |acts| Program::Image {
            image: "localhost/pretended:1".into(),
            command: argv(acts),
            args: None,
        }),
        command: Box::new(pretended),
        artifact,
        scratch: "/tmp/",
        advance: Box::new(move |length| {
            clock.advance(length);
            Box::pin(tokio::task::yield_now())
        }),
        reach: Box::new(move |port| {
            let answer = reached.reached(port);
            Box::pin(async move { answer })
        }),
        reopen: Box::new(move || Arc::new(reopened.runtime())),
        kill: Box::new(move |seen| {
            broken.kill(&seen.id, Exit::Signal { signal: 9 });
            Box::pin(async {})
        }),
        kill_shim: Box::new(|_| Box::pin(async {})),
    }
}

/// What GET / on a port of this machine is answered with.
async fn reach(port: u16) -> Option<String> {
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: here\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_string())
    };
    tokio::time::timeout(std::time::Duration::from_secs(2), asked).await.ok().flatten()
}

/// The shim of an instance.
fn shim(folder: &Path) -> Option<u32> {
    let folder = folder.canonicalize().ok()?;
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let args: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        let is_it = args.get(1) == Some(&&b"shim"[..])
            && args.get(2) == Some(&folder.as_os_str().as_encoded_bytes());
        is_it.then_some(pid)
    })
}

fn kill(pid: Option<u32>) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// An archive with a note in it.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let text = b"from the artifact";
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "note", &text[..]).unwrap();
    tar.into_inner().unwrap()
}

/// Folders of runtimes, until nothing of them runs any more.
#[derive(Clone, Default)]
struct Dirs(Arc<Mutex<Vec<tempfile::TempDir>>>);

impl Dirs {
    fn one(&self) -> PathBuf {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_path_buf();
        self.0.lock().unwrap().push(dir);
        path
    }

    /// Whether anything was left running, after it was ended.
    async fn left(self) -> Vec<String> {
        let dirs = std::mem::take(&mut *self.0.lock().unwrap());
        let mut left = Vec::new();
        for dir in dirs {
            let path = dir.path().join("run/i");
            let ids = stop_everything(&path, tow(), Duration::ZERO).await.unwrap();
            left.extend(ids.iter().map(ToString::to_string));
        }
        left
    }
}

fn opened(dir: &Path, blobs: &Arc<dyn Blobs>) -> Arc<ProcessRuntime> {
    let config = Config {
        dir: dir.join("run/i"),
        volumes: dir.join("volumes"),
        hidden: dir.to_path_buf(),
        tow: tow().into(),
        blobs: blobs.clone(),
        clock: Arc::new(SystemClock),
        node: "here".into(),
    };
    Arc::new(ProcessRuntime::new(config).unwrap())
}

/// Real processes of this machine.
async fn process(dirs: Dirs, spec: &str) -> Harness {
    let dir = dirs.one();
    let blobs: Arc<dyn Blobs> = Arc::new(World::new(Arc::new(SystemClock)).unwrap().blobs());
    process_at(&dir, &blobs, spec).await
}

async fn process_at(dir: &Path, blobs: &Arc<dyn Blobs>, spec: &str) -> Harness {
    let artifact = put(&**blobs, archive()).await;
    let shell = Shell {
        serve: "busybox httpd -f -p 127.0.0.1:{port} -h {dir}".into(),
        get: "busybox wget -q -O - {url}".into(),
        scratch: "",
    };
    let commands = shell.clone();
    let (shims, reopened, blobs) = (dir.join("run/i"), dir.to_path_buf(), blobs.clone());
    Harness {
        runtime: opened(dir, &blobs),
        executes: executes(spec),
        program: Box::new(move |acts| Program::Command { argv: shell.program(acts) }),
        command: Box::new(move |acts| commands.command(acts)),
        artifact,
        scratch: "",
        advance: Box::new(|length| Box::pin(tokio::time::sleep(length.std()))),
        reach: Box::new(|port| Box::pin(reach(port))),
        reopen: Box::new(move || opened(&reopened, &blobs)),
        kill: Box::new(|seen: &ObservedInstance| {
            kill(seen.pid);
            Box::pin(async {})
        }),
        kill_shim: Box::new(move |seen| {
            let folder = folder(&shims, &seen.id);
            Box::pin(async move {
                kill(shim(&folder));
                while shim(&folder).is_some() {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            })
        }),
    }
}

/// Containers of an engine, looked after by processes of the same runtime.
fn boxed(dir: &Path, blobs: &Arc<dyn Blobs>) -> Arc<ContainerRuntime> {
    let config = tow_runtime_container::Config {
        inner: opened(dir, blobs),
        dir: dir.join("run/c"),
        volumes: dir.join("volumes"),
        tow: tow().into(),
        blobs: blobs.clone(),
        clock: Arc::new(SystemClock),
    };
    Arc::new(ContainerRuntime::new(config).unwrap())
}

/// Real containers, of an image made here.
async fn container(dirs: Dirs, engine: String) -> Harness {
    let dir = dirs.one();
    let blobs: Arc<dyn Blobs> = Arc::new(World::new(Arc::new(SystemClock)).unwrap().blobs());
    let shell = Shell {
        serve: "httpd -f -p {port} -h {dir}".into(),
        get: "wget -q -O - {url}".into(),
        scratch: "/tmp/",
    };
    let commands = shell.clone();
    let spec = serde_json::json!({
        "type": "container", "engine": engine, "pull": "never", "bases": { "default": "busybox" },
    });
    let image =
        move |argv| Program::Image { image: "busybox".into(), command: Some(argv), args: None };
    Harness {
        runtime: boxed(&dir, &blobs),
        executes: executes(&spec.to_string()),
        program: Box::new(move |acts| image(shell.program(acts))),
        command: Box::new(move |acts| commands.command(acts)),
        scratch: "/tmp/",
        reopen: {
            let (dir, blobs) = (dir.clone(), blobs.clone());
            Box::new(move || boxed(&dir, &blobs))
        },
        ..process_at(&dir, &blobs, r#"{"type":"process"}"#).await
    }
}

fn folder(dir: &Path, id: &Id) -> PathBuf {
    dir.join(id.as_str())
}

/// Cases to run: all, or those whose group and name hold this.
fn only() -> String {
    std::env::var("TOW_CASE").unwrap_or_default()
}

/// One runtime: everything holds, and nothing is left running.
async fn column(runtime: &'static str, spec: &'static str) -> Column {
    let dirs = Dirs::default();
    let column = run(runtime, AT_ONCE, &only(), || process(dirs.clone(), spec)).await;
    let broken = column.broken();
    let left = dirs.left().await;
    assert!(broken.is_empty(), "{} cases do not hold:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(left, Vec::<String>::new(), "{runtime}: the suite leaves nothing running");
    column
}

/// Processes in sandboxes, where these can be made.
async fn sandboxes() -> Option<Column> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(why) = tow_platform::offers(&path).no_sandbox {
        tow_testkit::binary::not_run(&format!("conformance of sandboxes: {why}"));
        return None;
    }
    Some(column("sandbox", r#"{"type":"process","isolation":"sandbox"}"#).await)
}

/// Containers, where there is an engine to be had.
async fn containers() -> Option<Column> {
    let made = Podman::start().and_then(|podman| Ok((podman, Image::busybox()?)));
    let (podman, busybox) = match made {
        Ok(made) => made,
        Err(why) => {
            tow_testkit::binary::not_run(&format!("conformance of containers: {why}"));
            return None;
        }
    };
    podman.load("busybox", &busybox);
    let (dirs, engine) = (Dirs::default(), podman.address());
    let make = || container(dirs.clone(), engine.clone());
    let column = run("container", AT_ONCE, &only(), make).await;
    let broken = column.broken();
    let left = dirs.left().await;
    assert!(broken.is_empty(), "{} cases do not hold:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(left, Vec::<String>::new(), "the suite leaves nothing running");
    assert_eq!(podman.containers("dev.towpath.owner"), [], "nor any container");
    Some(column)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_runtime_keeps_the_contract() {
    let mut columns = vec![run("fake", 1, &only(), fake).await];
    assert!(columns[0].broken().is_empty(), "{}", columns[0].broken().join("\n"));
    columns.push(column("process", r#"{"type":"process"}"#).await);
    columns.extend(sandboxes().await);
    columns.extend(containers().await);
    let page = print(&columns);
    println!("{page}");
    if !only().is_empty() {
        return;
    }
    if std::env::var_os("TOW_BLESS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let kept = std::fs::read_to_string(PAGE).unwrap_or_default();
    let wrong = compare(&kept, &page);
    assert!(
        wrong.is_empty(),
        "{PAGE} says otherwise; TOW_BLESS=1 writes it:\n{}",
        wrong.join("\n")
    );
}
