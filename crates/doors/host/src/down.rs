//! `tow down`: everything stops, whether or not a control plane runs; with `--purge` the data goes too.

use crate::{Global, data, error::HostError, executable, stop::stop_all};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use tow_platform::Layout;

/// How long the control plane may take to end.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Stop the platform of this machine and all its workloads
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Down {
    /// Remove the data directory too: catalog, releases, configuration, logs
    #[arg(long)]
    purge: bool,
    /// With --purge: the data directory's last name, instead of being asked
    #[arg(long, value_name = "NAME", requires = "purge")]
    confirm: Option<String>,
}

/// Stops all of it.
pub(crate) fn down(args: &Down, global: &Global) -> Result<(), HostError> {
    let layout = data::layout(global)?;
    if !layout.root().exists() {
        return Err(HostError::new(
            "host/no-data",
            format!("{} is not there: nothing to stop", layout.root().display()),
        )
        .exits(4));
    }
    if args.purge {
        confirm(layout.root(), args.confirm.as_deref())?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    runtime.block_on(async {
        let (lock, was_up) = end_control_plane(&layout).await?;
        // What lost its shim is adopted by this very program to be stopped.
        data::make(&layout)?;
        let tow = executable::copy(&layout)?;
        let count = stop_all(&layout, &tow).await?;
        let _ = std::fs::remove_file(layout.platform_file());
        forget(&layout);
        if args.purge {
            purge(&layout)?;
        }
        say(global, (was_up, count), args.purge.then(|| layout.root()));
        drop(lock);
        Ok(())
    })
}

/// There while `tow down` ends a platform: whoever looks at that platform's terminal is told who did it.
fn under_way(layout: &Layout) -> PathBuf {
    layout.run().join("down")
}

/// Is it `tow down` that ends it?
pub(crate) fn is_under_way(layout: &Layout) -> bool {
    under_way(layout).is_file()
}

/// It has, or died over it.
pub(crate) fn forget(layout: &Layout) {
    let _ = std::fs::remove_file(under_way(layout));
}

fn say(global: &Global, (was_up, count): (bool, usize), removed: Option<&Path>) {
    let purged = removed.is_some();
    if global.yaml {
        global.print(&serde_json::json!({"stopped": count, "purged": purged}));
    } else if global.json {
        anstream::println!("{}", serde_json::json!({"stopped": count, "purged": purged}));
    } else {
        let processes = if count == 1 { "1 process".into() } else { format!("{count} processes") };
        match (was_up, count) {
            (false, 0) => anstream::println!("nothing was running"),
            (false, _) => anstream::println!("stopped: {processes}; no control plane was running"),
            (true, _) => anstream::println!("stopped: {processes}; the control plane is down"),
        }
        if let Some(root) = removed {
            anstream::println!("removed: {} and everything in it", root.display());
        }
    }
}

/// Tells the control plane to end and takes its lock; at once where there is none. Whether there was one.
async fn end_control_plane(layout: &Layout) -> Result<(data::DataLock, bool), HostError> {
    data::make(layout)?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        if let Some(lock) = data::lock(layout)? {
            return Ok((lock, told));
        }
        let pid = data::platform_file(layout).and_then(|file| i32::try_from(file.pid).ok());
        if let (false, Some(pid)) = (told, pid.and_then(rustix::process::Pid::from_raw)) {
            data::write_private(&under_way(layout), "")?;
            // The lock is held, so the process that wrote the file is the one that holds it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            told = true;
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(HostError::new("host/still-up", "the control plane does not end")
                .hint("see what holds the lock file in the data directory"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn confirm(root: &Path, said: Option<&str>) -> Result<(), HostError> {
    let name = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let refused = |detail: String| {
        HostError::new("host/not-confirmed", detail)
            .untouched("everything")
            .hint(format!("--confirm {name}"))
            .exits(2)
    };
    match said {
        Some(said) if said == name || Path::new(said) == root => Ok(()),
        Some(said) => Err(refused(format!("{said:?} is not the name of {}", root.display()))),
        None if !std::io::stdin().is_terminal() => Err(refused(format!(
            "removing {} must be confirmed, and nobody can be asked here",
            root.display()
        ))),
        None => {
            let question = format!("Remove {} and everything in it? Type {name}", root.display());
            match inquire::Text::new(&question).prompt() {
                Ok(answer) if answer.trim() == name => Ok(()),
                _ => Err(refused("not confirmed".into())),
            }
        }
    }
}

/// The lock file goes last, with the directory.
fn purge(layout: &Layout) -> Result<(), HostError> {
    std::fs::remove_dir_all(layout.root()).map_err(|e| {
        HostError::new("host/purge", format!("{}: {e}", layout.root().display()))
            .hint("remove the rest by hand; nothing of it runs")
    })
}
