//! `tow up`: from a data directory to a platform that answers, and back.

use crate::{
    Global, data, demo,
    error::HostError,
    executable, ready,
    stop::{Reason, Signals},
};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch};
use tow_client::PlatformFile;
use tow_names::Duration;
use tow_platform::{
    AbortAt, Adapters, Call, Composed, CountIn, Crossings, Handle as _, Layout, NoCrossings, OpCtx,
    Platform, Real,
};

/// Where the API listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:7070";
/// Where the gateway listens unless told otherwise.
const GATEWAY: &str = "127.0.0.1:7080";
/// So many ports after the usual one are tried.
const NEXT_PORTS: u16 = 20;
/// Who the owner of this machine is to the platform.
const OWNER: &str = "user:default/admin";

/// Start the platform on this machine, and stay with it
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Up {
    /// Where API and portal listen; port 0 picks one (else 127.0.0.1:7070 or the next free port)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the gateway listens; port 0 picks one (else 127.0.0.1:7080 or the next free port)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<String>,
    /// Apply a small organisation and deploy the samples whose tools are here
    #[arg(long)]
    demo: bool,
    /// What executes: processes of this machine, or nothing at all (for trying the platform out)
    #[arg(long, value_enum, default_value_t = RuntimeKind::Process, value_name = "KIND")]
    runtime: RuntimeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RuntimeKind {
    Process,
    Fake,
}

/// Runs until a signal ends it.
pub(crate) fn up(args: &Up, global: &Global) -> Result<(), HostError> {
    let layout = data::layout(global)?;
    data::make(&layout)?;
    let Some(lock) = data::lock(&layout)? else { return already(&layout, args, global) };
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    let ended = runtime.block_on(serve(args, global, &layout));
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    drop(lock);
    ended
}

/// A second `tow up` prints where the first one is.
fn already(layout: &Layout, args: &Up, global: &Global) -> Result<(), HostError> {
    let in_use = || {
        HostError::new(
            "host/data-in-use",
            format!("{} is in use by another tow that is not ready yet", layout.root().display()),
        )
        .untouched("everything")
        .hint("try again in a moment, or choose another directory with --data DIR")
        .exits(5)
    };
    let mut file = data::platform_file(layout).ok_or_else(in_use)?;
    // The link it printed works once; it may have been used.
    file.sign_in = None;
    let differs = |wanted: &Option<String>, url: &str| {
        wanted.as_ref().is_some_and(|wanted| !wanted.ends_with(":0") && !url.ends_with(wanted))
    };
    if differs(&args.listen, &file.url) || differs(&args.gateway, &file.gateway) {
        return Err(HostError::new(
            "host/data-in-use",
            format!("a platform runs on {} already: {}", layout.root().display(), file.url),
        )
        .untouched("everything")
        .hint("tow down stops it; --data DIR starts another one")
        .exits(5));
    }
    ready::say(&file, false, global);
    Ok(())
}

fn log() {
    use tracing_subscriber::{EnvFilter, fmt};
    #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
    let wanted = std::env::var("TOW_LOG").unwrap_or_else(|_| "warn,sqlx=error".into());
    // By the same rule as everything else that is printed: a terminal, and no NO_COLOR.
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let _ = fmt()
        .with_ansi(colour)
        .with_env_filter(EnvFilter::new(wanted))
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}

async fn serve(args: &Up, global: &Global, layout: &Layout) -> Result<(), HostError> {
    let mut signals = Signals::listen()?;
    let listeners = listeners(args.listen.as_deref()).await?;
    let address = listeners
        .first()
        .and_then(|l| l.local_addr().ok())
        .ok_or_else(|| HostError::new("host/listen", "nothing listens"))?;
    let tow = executable::copy(layout)?;
    let platform = composed(args, layout, &tow).await?;
    let (tell, told) = watch::channel(false);
    let router = platform.router.clone();
    let platform = Arc::new(platform);

    let running = platform.clone();
    let stop = told.clone();
    let mut loops = tokio::spawn(async move { running.reconciler.run(stop).await });
    let mut closing = told.clone();
    let doors = tokio::spawn(tow_platform::serve(listeners, router, async move {
        let _ = closing.wait_for(|stop| *stop).await;
    }));

    let opened = tokio::select! {
        opened = open(&platform, layout, address, args.gateway.as_deref(), global) => opened,
        reason = signals.wait() => {
            let _ = tell.send(true);
            return ended(reason, layout, &tow, &mut loops).await;
        }
    };
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            let _ = tell.send(true);
            return Err(error);
        }
    };
    let demo = args.demo.then(|| tokio::spawn(demo::run(layout.clone(), global.json)));

    let reason = tokio::select! {
        reason = signals.wait() => reason,
        lost = &mut loops => {
            let _ = tell.send(true);
            let why = match lost {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(())) => "the controllers ended".into(),
                Err(panic) => panic.to_string(),
            };
            return Err(HostError::new("host/lost", format!("no longer in charge: {why}"))
                .untouched("workloads and gateway, which go on serving"));
        }
    };
    if let Some(demo) = demo {
        demo.abort();
    }
    let _ = tell.send(true);
    let _ = doors.await;
    let _ = file;
    ended(reason, layout, &tow, &mut loops).await
}

/// After the doors are closed: the loop ends; on an interrupt, so does everything that runs.
async fn ended<T>(
    reason: Reason,
    layout: &Layout,
    tow: &std::path::Path,
    loops: &mut tokio::task::JoinHandle<T>,
) -> Result<(), HostError> {
    let patience = std::time::Duration::from_secs(5);
    if tokio::time::timeout(patience, &mut *loops).await.is_err() {
        // Whatever it was about to do is journaled; the next start goes on from there.
        loops.abort();
    }
    let _ = std::fs::remove_file(layout.platform_file());
    if reason == Reason::Interrupt {
        anstream::eprintln!("stopping workloads and gateway");
        stop_all(layout, tow).await?;
        anstream::eprintln!("stopped");
    }
    Ok(())
}

/// Ends everything that runs, through its shims, without a control plane.
pub(crate) async fn stop_all(layout: &Layout, tow: &std::path::Path) -> Result<usize, HostError> {
    let grace = Duration::from_secs(10);
    let stopped = tow_platform::stop_everything(&layout.instances(), tow, grace).await;
    stopped
        .map(|ids| ids.len())
        .map_err(|e| HostError::new("host/not-stopped", e.to_string()).hint("tow down tries again"))
}

async fn composed(
    args: &Up,
    layout: &Layout,
    tow: &std::path::Path,
) -> Result<Platform, HostError> {
    let crossings = crossings();
    let adapters: Adapters = match args.runtime {
        RuntimeKind::Fake => {
            let clock = Arc::new(tow_platform::SystemClock);
            let world = tow_platform::World::new(clock.clone())
                .map_err(|e| HostError::new("host/adapters", e.to_string()))?;
            tow_platform::fake(&world, clock, &crossings)
        }
        RuntimeKind::Process => {
            let real = Real {
                layout: layout.clone(),
                tow: tow.to_path_buf(),
                listen: vec![gateway_address(args.gateway.as_deref()).await?],
                node: node(),
                build_env: build_env(),
            };
            let adapters = tow_platform::real(&real, &crossings)
                .map_err(|e| HostError::new("host/adapters", e).untouched("everything"))?;
            gateway_can_listen(&real.listen, &adapters).await?;
            adapters
        }
    };
    let config = Composed { store: layout.store(), crossings, force: true, hosts: Vec::new() };
    use tow_platform::{ComposeError, ReconcileError};
    tow_platform::compose(config, adapters).await.map_err(|error| match &error {
        ComposeError::Store(store) | ComposeError::Reconcile(ReconcileError::Store(store)) => {
            HostError::new(store.code(), store.to_string())
                .untouched(store.untouched())
                .hint(store.hint())
        }
        _ => HostError::new("host/compose", error.to_string()),
    })
}

/// The binary's side of the crash tests: `TOW_CRASH_AT=K` aborts at the K-th crossing, `TOW_COUNT_CROSSINGS=FILE` writes
/// down each.
#[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
fn crossings() -> Arc<dyn Crossings> {
    if let Some(k) = std::env::var("TOW_CRASH_AT").ok().and_then(|k| k.parse().ok()) {
        return Arc::new(AbortAt::new(k));
    }
    let file = std::env::var_os("TOW_COUNT_CROSSINGS").filter(|file| !file.is_empty());
    match file.and_then(|file| CountIn::open(std::path::Path::new(&file)).ok()) {
        Some(count) => Arc::new(count),
        None => Arc::new(NoCrossings),
    }
}

fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What builds need of the environment: where tools are, proxies, certificates, the SSH agent.
fn build_env() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
    let named = std::env::vars_os();
    let text = named.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    tow_platform::build_environment(text)
}

async fn listeners(wanted: Option<&str>) -> Result<Vec<TcpListener>, HostError> {
    let text = wanted.unwrap_or(LISTEN);
    let address = parse(text)?;
    let mut listeners = vec![bind(address, wanted.is_some()).await?];
    let bound = listeners[0].local_addr().map_err(|e| taken(text, &e))?;
    // Some clients ask ::1 for localhost first.
    if bound.ip().is_loopback() && bound.is_ipv4() {
        let other = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, bound.port()));
        listeners.extend(TcpListener::bind(other).await.ok());
    }
    Ok(listeners)
}

async fn bind(address: SocketAddr, explicit: bool) -> Result<TcpListener, HostError> {
    let mut last = None;
    for port in ports(address.port(), explicit) {
        match TcpListener::bind(SocketAddr::new(address.ip(), port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let why = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(taken(&address.to_string(), &why))
}

fn ports(first: u16, explicit: bool) -> std::ops::RangeInclusive<u16> {
    let more = if explicit || first == 0 { 0 } else { NEXT_PORTS };
    first..=first.saturating_add(more)
}

/// The gateway's address: bound by its shim later, so a free one is looked for now, unless it runs already.
async fn gateway_address(wanted: Option<&str>) -> Result<String, HostError> {
    if let Some(text) = wanted {
        return parse(text).map(|address| address.to_string());
    }
    let address = parse(GATEWAY)?;
    for port in ports(address.port(), false) {
        let candidate = SocketAddr::new(address.ip(), port);
        if TcpListener::bind(candidate).await.is_ok() {
            return Ok(candidate.to_string());
        }
    }
    Ok(GATEWAY.to_string())
}

/// The gateway's shim is the one that binds, later and out of sight: what is in its way is said now. A gateway that runs
/// already has its address.
async fn gateway_can_listen(listen: &[String], adapters: &Adapters) -> Result<(), HostError> {
    let seen = adapters.runtime.observe().await.unwrap_or_default();
    let own = adapters.gateway.as_ref().map(|spec| &spec.id);
    if seen.iter().any(|seen| Some(&seen.id) == own && seen.may_run()) {
        return Ok(());
    }
    for address in listen {
        if let Err(why) = TcpListener::bind(address).await {
            return Err(taken(address, &why));
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<SocketAddr, HostError> {
    text.parse().map_err(|_| {
        HostError::new("host/address", format!("{text:?} is not an address"))
            .hint("an IP address and a port, as in 127.0.0.1:7070 or [::1]:0")
            .exits(2)
    })
}

fn taken(address: &str, why: &std::io::Error) -> HostError {
    HostError::new("host/port-in-use", format!("{address}: {why}"))
        .untouched("everything")
        .hint("choose another with --listen or --gateway; port 0 picks a free one")
}

/// A gateway that outlived its control plane keeps its address: asked for another one, it must be stopped first.
fn refuse_elsewhere(wanted: Option<&str>, bound: &[String]) -> Result<(), HostError> {
    let Some(wanted) = wanted.map(parse).transpose()? else { return Ok(()) };
    let same = |text: &String| text.parse::<SocketAddr>().is_ok_and(|bound| bound == wanted);
    if wanted.port() == 0 || bound.iter().any(same) {
        return Ok(());
    }
    let here = bound.first().cloned().unwrap_or_default();
    Err(HostError::new(
        "host/gateway",
        format!("the gateway serves at {here} already, not at {wanted}"),
    )
    .untouched("workloads and gateway, which go on serving")
    .hint("tow down stops it; then tow up takes the new address")
    .exits(5))
}

/// Everything answers: token, link, and the file by which others find the platform.
async fn open(
    platform: &Platform,
    layout: &Layout,
    address: SocketAddr,
    wanted: Option<&str>,
    global: &Global,
) -> Result<PlatformFile, HostError> {
    let bound = platform.gateway_ready(Duration::from_secs(15)).await.map_err(|why| {
        HostError::new("host/gateway", format!("the gateway: {why}"))
            .hint("choose another address with --gateway; port 0 picks a free one")
    })?;
    refuse_elsewhere(wanted, &bound)?;
    let failed = |error: tow_platform::AppError| HostError::new("host/access", error.to_string());
    let token = std::fs::read_to_string(layout.token_file()).unwrap_or_default();
    if platform.app.authenticate(token.trim()).await.is_err() {
        let token = platform.app.issue_local_token(OWNER).await.map_err(failed)?;
        data::write_private(&layout.token_file(), &token)?;
    }
    let url = format!("http://{address}");
    let gateway = bound.first().cloned().unwrap_or_else(|| GATEWAY.into());
    let mut ctx = OpCtx::system("host");
    ctx.actor.name = OWNER.into();
    let call = Call::<tow_api::access::sign_in_link::CreateSignInLink> {
        path: tow_api::Nothing {},
        query: tow_api::Nothing {},
        body: tow_api::access::sign_in_link::Body::default(),
        idempotency_key: None,
    };
    let link = platform.app.handle(&ctx, call).await.map_err(failed)?;
    let file = PlatformFile {
        url: url.clone(),
        gateway: format!("http://{gateway}"),
        data: layout.root().display().to_string(),
        pid: std::process::id(),
        sign_in: link.path.map(|path| format!("{url}{path}")),
    };
    // The link stays out of the file: it is for whoever sees this terminal.
    let kept = PlatformFile { sign_in: None, ..file.clone() };
    let text = serde_json::to_string(&kept)
        .map_err(|e| HostError::new("host/platform-file", e.to_string()))?;
    data::write_private(&layout.platform_file(), &text)?;
    ready::say(&file, true, global);
    Ok(file)
}
