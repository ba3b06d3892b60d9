//! What the verbs of backup do and print.

use super::{Backup, Restore, Verb};
use crate::{
    Global, data,
    error::{HostError, count},
    up,
};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use tow_platform::backup::{self, ArchiveError, BackupError, Made, Shelf, Summary};
use tow_platform::{Layout, Location, SystemClock};
use tow_ports::Clock as _;

/// `tow backup`, and what is below it.
pub(crate) fn run(args: &Backup, global: &Global) -> Result<(), HostError> {
    match &args.verb {
        None => make(args, global),
        Some(Verb::List { dir }) => list(dir, global),
        Some(Verb::Prune { dir, keep, dry_run, yes }) => {
            prune(dir, usize::from(*keep), *dry_run, *yes, global)
        }
        Some(Verb::Drill { file, room, secret, store }) => {
            let layout = data::layout(global)?;
            let live = up::location(store.database.as_deref(), &layout)?;
            let live = match &live {
                Location::File(path) if !path.exists() => None,
                other => Some(other),
            };
            let passphrase = secret.get(false)?;
            let room = room.clone().unwrap_or_else(std::env::temp_dir);
            let drilled = block(backup::drill(file, &passphrase, &room, live))?;
            say_drilled(&drilled, file, global)
        }
    }
}

/// Runs to its end on a runtime of its own.
fn block<T>(work: impl Future<Output = Result<T, BackupError>>) -> Result<T, HostError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    runtime.block_on(work).map_err(|error| HostError::from(&error))
}

fn make(args: &Backup, global: &Global) -> Result<(), HostError> {
    let layout = data::layout(global)?;
    there(&layout)?;
    let store = up::location(args.store.database.as_deref(), &layout)?;
    let name = backup::file_name(SystemClock.now());
    let file = match &args.file {
        None => PathBuf::from(name),
        Some(dir) if dir.is_dir() => dir.join(name),
        Some(file) => file.clone(),
    };
    let file = std::path::absolute(&file).unwrap_or(file);
    let passphrase = args.secret.get(true)?;
    let made = block(backup::make(&layout, &store, &file, &passphrase))?;
    if global.for_programs() {
        global.print(&made);
        return Ok(());
    }
    anstream::println!("{}", made.file.display());
    say_made(&made);
    Ok(())
}

fn say_made(made: &Made) {
    let size = crate::doctor::bytes(made.size);
    anstream::println!("  {size}, up to event {}: {}", made.head, amounts(&made.summary));
    for digest in &made.damaged {
        anstream::eprintln!(
            "warning: the blob {digest} is damaged on the disk, and not in the backup"
        );
    }
}

fn amounts(summary: &Summary) -> String {
    let rows = |table: &str| {
        summary.tables.iter().find(|found| found.table == table).map_or(0, |found| found.rows)
    };
    format!(
        "{}, {}, {}, {}",
        count(rows("object"), "object"),
        count(rows("record"), "record"),
        count(rows("event"), "event"),
        count(summary.blobs, "blob")
    )
}

fn there(layout: &Layout) -> Result<(), HostError> {
    if layout.root().is_dir() {
        return Ok(());
    }
    Err(HostError::new("host/no-data", format!("{} is not there", layout.root().display()))
        .hint("--data DIR says where the platform is"))
}

/// `tow restore`.
pub(crate) fn restore(args: &Restore, global: &Global) -> Result<(), HostError> {
    let layout = data::layout(global)?;
    let database = match args.store.database.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(up::location(Some(text), &layout)?),
        None => None,
    };
    let passphrase = args.secret.get(false)?;
    let done = block(backup::restore(&args.file, &passphrase, layout.root(), database.as_ref()))?;
    if global.for_programs() {
        global.print(&done);
        return Ok(());
    }
    anstream::println!("restored: {}", done.data.display());
    anstream::println!(
        "  as of {}, up to event {}: {}",
        done.manifest.made_at,
        done.manifest.head,
        amounts(&done.summary)
    );
    if done.there_already {
        anstream::println!("  {} held just that already: nothing was written there", done.store);
        anstream::println!(
            "  if another data directory was restored with it, start only one of the two"
        );
    }
    let on = match database {
        Some(Location::Postgres(_)) => format!(" --database {}", done.store),
        _ => String::new(),
    };
    anstream::println!("\ntow up --data {}{on} brings it up", done.data.display());
    Ok(())
}

fn list(dir: &Path, global: &Global) -> Result<(), HostError> {
    let (found, strange) = Shelf::new(dir).list().map_err(|e| HostError::from(&e.into()))?;
    if global.for_programs() {
        let items: Vec<_> = found
            .iter()
            .map(|one| {
                serde_json::json!({
                    "file": one.path, "size": one.size, "made_at": one.manifest.made_at,
                    "head": one.manifest.head, "schema": one.manifest.schema,
                    "made_by": one.manifest.made_by,
                })
            })
            .collect();
        global.print(&items);
    } else if found.is_empty() {
        anstream::println!("no backups in {}", dir.display());
    } else {
        for one in &found {
            let size = crate::doctor::bytes(one.size);
            anstream::println!(
                "{}  {size:>10}  event {:<8} {}",
                one.manifest.made_at,
                one.manifest.head,
                one.path.display()
            );
        }
    }
    for error in strange {
        let said = crate::error::plain(&error.to_string());
        anstream::eprintln!("warning: {said} [{}]", error.code());
    }
    Ok(())
}

fn prune(
    dir: &Path,
    keep: usize,
    dry_run: bool,
    yes: bool,
    global: &Global,
) -> Result<(), HostError> {
    let failed = |e: ArchiveError| HostError::from(&BackupError::from(e));
    let shelf = Shelf::new(dir);
    let old = shelf.prunable(keep, SystemClock.now()).map_err(failed)?;
    if dry_run {
        if global.for_programs() {
            global.print(&serde_json::json!({"removed": [], "would_remove": old}));
        } else if old.is_empty() {
            anstream::println!("nothing to take away");
        } else {
            for path in old {
                anstream::println!("would be taken away: {}", path.display());
            }
        }
        return Ok(());
    }
    if !yes && !old.is_empty() {
        confirm(&old, dir)?;
    }
    let gone = shelf.prune(keep, SystemClock.now()).map_err(failed)?;
    if global.for_programs() {
        global.print(&serde_json::json!({"removed": gone}));
    } else if gone.is_empty() {
        anstream::println!("nothing to take away");
    } else {
        for path in gone {
            anstream::println!("taken away: {}", path.display());
        }
    }
    Ok(())
}

/// What is taken away does not come back: somebody says yes to it.
fn confirm(old: &[PathBuf], dir: &Path) -> Result<(), HostError> {
    let refused = |detail: String| {
        HostError::new("host/not-confirmed", detail)
            .untouched("everything")
            .hint("--yes takes them away unasked, --dry-run says which")
            .exits(2)
    };
    let files = count(old.len(), "file");
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let detail = format!("taking {files} away must be confirmed, and nobody can be asked here");
        return Err(refused(detail));
    }
    for path in old {
        anstream::eprintln!("{}", path.display());
    }
    let question = format!("Take {files} in {} away?", dir.display());
    match inquire::Confirm::new(&question).with_default(false).prompt() {
        Ok(true) => Ok(()),
        _ => Err(refused("not confirmed".into())),
    }
}

fn say_drilled(drilled: &backup::Drilled, file: &Path, global: &Global) -> Result<(), HostError> {
    if global.for_programs() {
        global.print(drilled);
    } else {
        for check in &drilled.checks {
            let mark = if check.holds { "  ok " } else { "FAIL " };
            anstream::println!("{mark} {:<10} {}", check.what, check.seen);
        }
    }
    if !drilled.holds {
        let failed: Vec<_> =
            drilled.checks.iter().filter(|check| !check.holds).map(|check| check.what).collect();
        return Err(HostError::new(
            "backup/drill",
            format!("{} does not hold: {}", file.display(), failed.join(", ")),
        )
        .hint("keep it for a look, make another one, and look at the disk it lies on"));
    }
    if !global.for_programs() {
        anstream::println!(
            "\nit holds: as of {}, event {}",
            drilled.manifest.made_at,
            drilled.manifest.head
        );
    }
    Ok(())
}
