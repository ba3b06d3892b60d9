//! Backups by the clock, beside a running platform. When the next one is due follows from the files alone: there is no
//! other memory, so a restart changes nothing and a missed one is made up for at once.

use super::error::{BackupError, file, off};
use super::make::{Made, make};
use crate::{Layout, SystemClock};
use std::path::{Path, PathBuf};
use tokio::sync::watch;
use tow_app::{App, BackupOutcome};
use tow_archive::{Passphrase, Shelf};
use tow_names::{Duration, Timestamp};
use tow_ports::Clock as _;
use tow_store::Location;

/// After a failure it is tried again after so long, or when the next one would be due, if that is sooner.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// A folder may get or lose files by somebody else's hand: it is looked at this often.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// When, where, how many.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The time between two.
    pub every: Duration,
    /// The folder they go into.
    pub dir: PathBuf,
    /// So many are kept, the newest.
    pub keep: usize,
    /// Read anew each time, so that it can be changed.
    pub passphrase: PathBuf,
}

/// The passphrase in a file.
pub(crate) fn passphrase(path: &Path) -> Result<Passphrase, BackupError> {
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|e| file(path, &e))?);
    Ok(Passphrase::new(&text))
}

impl Schedule {
    /// Can it be kept? Said when the platform is started, not in the night.
    pub fn check(&self) -> Result<(), BackupError> {
        passphrase(&self.passphrase)?.strong()?;
        Shelf::new(&self.dir).make()?;
        Ok(())
    }
}

/// Makes backups as they fall due, until told to stop. Each outcome is an event.
pub async fn keep_going(
    app: App,
    layout: Layout,
    store: Location,
    schedule: Schedule,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let now = SystemClock.now();
        let next = match look(&layout, &store, &schedule, now).await {
            Ok(Looked::Later(due)) => due.min(now.plus(LOOK)),
            Ok(Looked::Made(made, gone)) => {
                tracing::info!(file = %made.file.display(), size = made.size, "backup made");
                tell(
                    &app,
                    BackupOutcome::Made {
                        file: made.file.display().to_string(),
                        size: made.size,
                        head: made.head,
                        removed: gone,
                    },
                )
                .await;
                now
            }
            Err(error) => {
                tracing::warn!(%error, code = error.code, "no backup was made");
                let (code, why) = (error.code.to_string(), error.to_string());
                tell(&app, BackupOutcome::Failed { code, why }).await;
                SystemClock.now().plus(AGAIN.min(schedule.every))
            }
        };
        tokio::select! {
            () = SystemClock.sleep_until(next) => {}
            _ = stop.changed() => {}
        }
    }
}

enum Looked {
    Later(Timestamp),
    Made(Box<Made>, usize),
}

async fn look(
    layout: &Layout,
    store: &Location,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Looked, BackupError> {
    let (dir, every, keep) = (schedule.dir.clone(), schedule.every, schedule.keep);
    let due = off(move || Ok(Shelf::new(dir).due(every, now)?)).await?;
    let shelf = Shelf::new(&schedule.dir);
    shelf.make()?;
    if due > now {
        // Whoever made the last one may have died before the old ones were gone: they don't wait for the next one.
        let gone = off(move || Ok(shelf.prune(keep, SystemClock.now())?)).await?;
        if !gone.is_empty() {
            tracing::info!(removed = gone.len(), "old backups taken away");
        }
        return Ok(Looked::Later(due));
    }
    let passphrase = passphrase(&schedule.passphrase)?;
    let made = make(layout, store, &shelf.place(now), &passphrase).await?;
    let gone = off(move || Ok(shelf.prune(keep, SystemClock.now())?)).await?;
    Ok(Looked::Made(Box::new(made), gone.len()))
}

async fn tell(app: &App, outcome: BackupOutcome) {
    if let Err(error) = app.note_backup(outcome).await {
        tracing::warn!(%error, "the backup's outcome could not be written into the log");
    }
}
