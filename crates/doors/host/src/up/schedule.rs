//! The options of scheduled backups.

use crate::error::HostError;
use std::path::PathBuf;
use tow_names::Duration;
use tow_platform::backup::Schedule;

/// Backups by the clock.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Backups by the clock")]
pub(crate) struct Backups {
    /// Make a backup each time so much has passed, as in 24h
    #[arg(long, value_name = "TIME", requires = "backup_dir", requires = "backup_passphrase_file")]
    backup_every: Option<String>,
    /// The folder they go into: best on another disk
    #[arg(long, value_name = "DIR", requires = "backup_every")]
    backup_dir: Option<PathBuf>,
    /// How many are kept, the newest
    #[arg(long, value_name = "N", default_value_t = 7, requires = "backup_every")]
    backup_keep: u16,
    /// The file with the passphrase that seals them; read anew each time
    #[arg(long, value_name = "FILE", requires = "backup_every")]
    backup_passphrase_file: Option<PathBuf>,
}

impl Backups {
    /// The schedule, if one was asked for; refused now where it could not be kept.
    pub(super) fn schedule(&self) -> Result<Option<Schedule>, HostError> {
        let (Some(every), Some(dir), Some(passphrase)) =
            (&self.backup_every, &self.backup_dir, &self.backup_passphrase_file)
        else {
            return Ok(None);
        };
        let refused =
            |detail: String| HostError::new("backup/schedule", detail).untouched("everything");
        let every: Duration = every.parse().map_err(|e| refused(format!("--backup-every: {e}")))?;
        if every < Duration::from_secs(1) || self.backup_keep == 0 {
            return Err(refused(
                "at least a second lies between two backups, and one is kept".into(),
            ));
        }
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let schedule = Schedule {
            every,
            dir: absolute(dir),
            keep: usize::from(self.backup_keep),
            passphrase: absolute(passphrase),
        };
        schedule.check().map_err(|error| HostError::from(&error))?;
        Ok(Some(schedule))
    }
}
