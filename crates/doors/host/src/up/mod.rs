//! `tow up`: from a data directory to a platform that answers, and back. This file: what may be said, and who holds the
//! directory. A family of options is a struct in a file of its own, flattened in here; what the platform stands on is
//! made of them in `compose`, what goes on beside it is begun in `serve`.

mod address;
mod compose;
mod doors;
mod log;
mod rehearsal;
mod schedule;
mod serve;
mod tls;
mod whole;

use crate::{Global, data, error::HostError, ready, upgrade};
use tow_platform::Layout;

pub(crate) use address::{GATEWAY, LISTEN};
pub(crate) use compose::{KEYS_HINT, from_store, location};

/// Start the platform on this machine, and stay with it
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Up {
    /// Where API and portal listen; port 0 picks one (else 127.0.0.1:7070 or the next free port)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the gateway listens; port 0 picks one (else 127.0.0.1:7080 or the next free port)
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<String>,
    /// Keep everything in this Postgres database instead of a file: postgres://USER:PASSWORD@HOST:PORT/NAME (else
    /// TOW_DATABASE)
    #[arg(long, value_name = "URL", env = "TOW_DATABASE", hide_env = true)]
    database: Option<String>,
    /// Apply a small organisation and deploy the samples whose tools are here: once, and never over what is there
    #[arg(long)]
    demo: bool,
    /// What executes: processes of this machine, or nothing at all (for trying the platform out)
    #[arg(long, value_enum, default_value_t = RuntimeKind::Process, value_name = "KIND")]
    runtime: RuntimeKind,
    /// An address, network or host inside that webhooks and locations may lead to; repeatable
    #[arg(
        long,
        value_name = "CIDR|HOST",
        env = "TOW_ALLOW_ADDRESS",
        hide_env = true,
        value_delimiter = ','
    )]
    allow_address: Vec<String>,
    /// A folder of this machine that locations may read from; repeatable. Without one, any that this user may read
    #[arg(
        long,
        value_name = "DIR",
        env = "TOW_LOCATION_ROOT",
        hide_env = true,
        value_delimiter = ','
    )]
    location_root: Vec<std::path::PathBuf>,
    #[command(flatten)]
    doors: doors::Doors,
    // A family's heading holds for all that comes after it: those with one come last.
    #[command(flatten)]
    tls: tls::Tls,
    #[command(flatten)]
    backups: schedule::Backups,
    /// Only rehearse the start
    #[arg(long, hide = true)]
    rehearse: bool,
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
    // Of one that was killed: what it says of a process is not true any more.
    let _ = std::fs::remove_file(layout.platform_file());
    crate::down::forget(&layout);
    log::begin();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    if args.rehearse {
        let rehearsed = runtime.block_on(rehearsal::rehearse(args, &layout));
        return rehearsed.inspect_err(|error| crate::rehearsal::failed(&layout, error));
    }
    let ended = runtime.block_on(serve::serve(args, global, &layout));
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    drop(lock);
    match (ended, upgrade::before()) {
        (Ok(Some(next)), _) => next.go(&layout),
        (Ok(None), _) => Ok(()),
        // It never answered: whoever had the place before has it again.
        (Err(error), Some(before)) if !error.was_up() => {
            Err(upgrade::give_back(&layout, &before, None, error))
        }
        (Err(error), _) => Err(error),
    }
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
    let differs = |wanted: Option<&str>, url: &str| {
        wanted.is_some_and(|wanted| !wanted.ends_with(":0") && !url.ends_with(wanted))
    };
    let https = file.https.as_deref().unwrap_or_default();
    let other_https = match args.tls.https() {
        address::Https::Off => !https.is_empty(),
        address::Https::At(wanted) => differs(Some(wanted), https),
        address::Https::Usual => false,
    };
    if differs(args.listen.as_deref(), &file.url)
        || differs(args.gateway.as_deref(), &file.gateway)
        || other_https
    {
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
