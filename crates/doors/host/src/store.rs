//! `tow store copy`: from one database to another, while no platform runs on it.

use crate::{Global, data, error::HostError, up};
use std::path::Path;
use tow_platform::{Layout, Location, backup};

/// What can be done to the store itself.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Verb {
    /// Copy everything into an empty database, and compare
    ///
    /// For moving from a file to Postgres, or back. The platform must be down; the source stays as it is. Then
    /// tow up --database URL goes on there, with the same data directory.
    Copy {
        /// From where: sqlite:PATH or postgres://… (else this data directory's file)
        #[arg(long, value_name = "STORE")]
        from: Option<String>,
        /// To where: an empty database, postgres://… or sqlite:PATH
        #[arg(long, value_name = "STORE")]
        to: String,
    },
}

/// Does it.
pub(crate) fn run(verb: &Verb, global: &Global) -> Result<(), HostError> {
    let Verb::Copy { from, to } = verb;
    let own = data::layout(global)?;
    let from = match from {
        Some(text) => parse(text, &own)?,
        None => up::location(None, &own)?,
    };
    let to = parse(to, &own)?;
    // The keys are beside the file; those of a server's store are in this data directory.
    let layout = match &from {
        Location::File(path) => Layout::new(path.parent().unwrap_or(Path::new("."))),
        Location::Postgres(_) => own,
    };
    let _held = hold(&layout)?;
    let holder = data::identity(&layout)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    let copied = runtime
        .block_on(backup::copy(&layout, &holder, &from, &to))
        .map_err(|e| HostError::from(&e))?;
    if to == Location::File(layout.store()) {
        data::note_database(&layout, &to)?;
    }
    if global.for_programs() {
        global.print(&copied);
        return Ok(());
    }
    anstream::println!("copied: {} → {}", copied.from, copied.to);
    for (table, counted) in &copied.tables.tables {
        anstream::println!("  {table:<12} {:>9} rows  {}", counted.rows, counted.digest.short());
    }
    anstream::println!("  each table compared; {}", copied.audit);
    Ok(())
}

fn parse(text: &str, layout: &Layout) -> Result<Location, HostError> {
    match text.strip_prefix("sqlite:") {
        Some(path) => Ok(Location::File(path.trim_start_matches("//").into())),
        None => up::location(Some(text), layout),
    }
}

/// Keeps a platform from starting meanwhile; refused where one runs.
fn hold(layout: &Layout) -> Result<data::DataLock, HostError> {
    if !layout.root().is_dir() {
        return Err(HostError::new(
            "host/no-data",
            format!("{} is not there", layout.root().display()),
        ));
    }
    data::lock(layout)?.ok_or_else(|| {
        HostError::new("copy/running", format!("a platform runs on {}", layout.root().display()))
            .untouched("both stores")
            .hint("tow down, or end the control plane with SIGTERM: workloads go on meanwhile")
    })
}
