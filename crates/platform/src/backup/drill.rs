//! The drill: restores a backup beside, opens what came of it, looks whether it holds together, compares it with what
//! is alive, and takes it away again. A backup that was never restored is a hope.

use super::error::BackupError;
use super::place::Beside;
use super::restore::{fill, verified};
use super::rows;
use crate::{Adapters, Layout, SystemClock};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tow_api::{Nothing, audit::verify};
use tow_app::{App, Call, Handle as _, OpCtx};
use tow_archive::{Manifest, Passphrase, Summary, TableSummary};
use tow_names::Id;
use tow_ports::{Crossings, NoCrossings};
use tow_record::{Artifact, Source};
use tow_store::{Find, Location, Store};

/// What the drill came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Drilled {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// What is in it.
    pub summary: Summary,
    /// Each thing that was looked at.
    pub checks: Vec<Check>,
    /// All of them held.
    pub holds: bool,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// Did it hold?
    pub holds: bool,
    /// What was seen.
    pub seen: String,
}

/// Events that are compared at once.
const PIECE: i64 = 1_000;

/// Restores below `room`, looks, and takes it away. `live`: the store this backup is one of, where it can be asked.
/// An error is where there was nothing to look at: the file is damaged, or the passphrase is another one.
pub async fn drill(
    file: &Path,
    passphrase: &Passphrase,
    room: &Path,
    live: Option<&Location>,
) -> Result<Drilled, BackupError> {
    let backup = verified(file, passphrase).await?;
    let summary = backup.summary().clone();
    let manifest = backup.manifest().clone();
    let whole = format!("{} rows, {} blobs, every byte as written", summary.rows(), summary.blobs);
    let mut checks = vec![Check { what: "file", holds: true, seen: whole }];
    let place = room.join(Id::fresh("tow-drill").to_string());
    // Never put into its place, so it goes when this ends.
    let beside = super::error::off(move || Beside::begin(&place)).await?;
    match fill(&backup, beside.layout(), None).await {
        Ok(_) => {
            checks.push(Check { what: "restore", holds: true, seen: "it restores".into() });
            look(beside.layout(), &manifest, &summary, live, &mut checks).await?;
        }
        Err(error) => {
            checks.push(Check { what: "restore", holds: false, seen: error.to_string() });
        }
    }
    super::error::off(move || {
        drop(beside);
        Ok(())
    })
    .await?;
    let holds = checks.iter().all(|check| check.holds);
    Ok(Drilled { manifest, summary, checks, holds })
}

async fn look(
    layout: &Layout,
    manifest: &Manifest,
    summary: &Summary,
    live: Option<&Location>,
    checks: &mut Vec<Check>,
) -> Result<(), BackupError> {
    let crossings: Arc<dyn Crossings> = Arc::new(NoCrossings);
    let store = Store::open(&Location::File(layout.store()), crossings).await?;
    let mut say = |what, holds, seen: String| checks.push(Check { what, holds, seen });
    let damage = store.damage().await?;
    say(
        "structure",
        damage.is_empty(),
        if damage.is_empty() { "whole".into() } else { damage.join("; ") },
    );
    let (holds, seen) = same(&rows::summary(&summary.tables), &store.summary().await?);
    say("rows", holds, seen);
    let (holds, seen) = blobs(layout, &store).await?;
    say("blobs", holds, seen);
    let (holds, seen) = chain(layout, &store).await?;
    say("audit", holds, seen);
    if let Some(live) = live {
        let (holds, seen) = compare(&store, manifest, &summary.tables, live).await;
        say("live", holds, seen);
    }
    store.close().await;
    Ok(())
}

/// Are these the same rows?
fn same(one: &tow_store::Summary, other: &tow_store::Summary) -> (bool, String) {
    let differs = one.differences(other);
    let rows: u64 = one.tables.values().map(|table| table.rows).sum();
    match differs.is_empty() {
        true => (true, format!("{rows} rows in {} tables, each the same", one.tables.len())),
        false => (false, differs.join("; ")),
    }
}

/// Everything that rows refer to is there. Their bytes were checked when they were put.
async fn blobs(layout: &Layout, store: &Store) -> Result<(bool, String), BackupError> {
    let there = tow_blobs::BlobDir::open(layout.blobs())?.all().await?;
    let there: std::collections::BTreeSet<_> =
        there.into_iter().map(|(digest, _)| digest).collect();
    let sources = store.list::<Source>(Find::default()).await?;
    let artifacts = store.list::<Artifact>(Find::default()).await?;
    let wanted = sources.iter().map(|row| &row.value.digest);
    let missing: std::collections::BTreeSet<_> = wanted
        .chain(artifacts.iter().map(|row| &row.value.digest))
        .filter(|digest| !there.contains(digest))
        .map(|digest| digest.short().to_string())
        .collect();
    if missing.is_empty() {
        return Ok((
            true,
            format!("{} blobs, everything that rows refer to among them", there.len()),
        ));
    }
    let named = missing.into_iter().take(5).collect::<Vec<_>>().join(", ");
    Ok((false, format!("rows refer to blobs that are not there: {named}")))
}

/// The keys of a data directory, which are never made here.
pub(crate) fn keys(layout: &Layout) -> Result<tow_secrets::KeyFile, BackupError> {
    tow_secrets::KeyFile::open(&layout.keys())?.ok_or_else(|| {
        let detail = format!("{} is not there", layout.keys().join("keys").display());
        BackupError::new("keys/missing", detail)
            .hint("name the data directory that has them with --data DIR, or put them back")
    })
}

/// The log against its seals, through the same use-case as anybody's.
pub(crate) async fn chain(layout: &Layout, store: &Store) -> Result<(bool, String), BackupError> {
    let clock = Arc::new(SystemClock);
    let world = tow_fake::World::new(clock.clone())
        .map_err(|error| super::error::file(layout.root(), &error))?;
    let crossings: Arc<dyn Crossings> = Arc::new(NoCrossings);
    let Adapters {
        runtime, edge, builder, blobs, images, web, locations, certifier, clock, ..
    } = crate::fake(&world, clock, &crossings);
    let app = App::new(tow_app::Parts {
        store: store.clone(),
        runtime,
        edge,
        builder,
        blobs,
        images,
        keys: Arc::new(keys(layout)?),
        clock,
        web,
        locations,
        certifier,
        boot: Id::fresh("boot").to_string(),
        gateway: Arc::new(OnceLock::new()),
    });
    let call = Call::<verify::VerifyAudit> {
        path: Nothing {},
        query: Nothing {},
        body: verify::Body::default(),
        idempotency_key: None,
    };
    let report = app.handle(&OpCtx::system("backup"), call).await;
    let report = match report {
        Ok(report) => report,
        Err(error) => return Ok((false, error.to_string())),
    };
    let says: Vec<&str> = report.findings.iter().take(3).map(|f| f.says.as_str()).collect();
    Ok(match says.is_empty() {
        true => (true, format!("{} events, {} seals, each holds", report.events, report.seals)),
        false => (false, says.join("; ")),
    })
}

/// With the store it was made of: the log up to the backup's last event must be the same; where nothing was written
/// since, every table.
async fn compare(
    store: &Store,
    manifest: &Manifest,
    tables: &[TableSummary],
    live: &Location,
) -> (bool, String) {
    let compared = async {
        let live = Store::look(live).await?;
        let result = against(store, manifest, tables, &live).await;
        live.close().await;
        result
    };
    match compared.await {
        Ok(result) => result,
        // Not the backup's fault: it may be drilled where its platform is not.
        Err(error) => (true, format!("not compared: {error}")),
    }
}

async fn against(
    store: &Store,
    manifest: &Manifest,
    tables: &[TableSummary],
    live: &Store,
) -> Result<(bool, String), BackupError> {
    let head = live.head().await?;
    if head < manifest.head {
        return Ok((
            true,
            format!("not compared: the live log ends at {head}, this one at {}", manifest.head),
        ));
    }
    let mut from = 1;
    while from <= manifest.head {
        let to = manifest.head.min(from + PIECE - 1);
        let (ours, theirs) = (store.logged(from, to).await?, live.logged(from, to).await?);
        for (own, other) in ours.iter().zip(&theirs) {
            // A body may have been erased since.
            let erased = other.found.is_none();
            if (own.seq, &own.body_sha256) != (other.seq, &other.body_sha256)
                || (!erased && own.found != other.found)
            {
                return Ok((false, format!("event {} is not the live one", own.seq)));
            }
        }
        if ours.len() != theirs.len() {
            return Ok((false, format!("between {from} and {to} the live log has other events")));
        }
        from = to + 1;
    }
    let log = format!("the log is the live one up to {}", manifest.head);
    if head > manifest.head {
        return Ok((true, format!("{log}; {} events were written since", head - manifest.head)));
    }
    // Written without an event, so they may differ at the same head.
    let counts = |mut all: tow_store::Summary| {
        all.tables.retain(|table, _| matches!(table.as_str(), "object" | "event" | "head"));
        all
    };
    let (holds, seen) = same(&counts(rows::summary(tables)), &counts(live.summary().await?));
    Ok((holds, format!("{log}; {seen}")))
}
