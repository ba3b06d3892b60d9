//! `tow backup` and `tow restore`: one file holds the whole platform. These verbs work on the data directory and need no
//! platform that is up. What is done is done in `platform`; here is what was said, and what is said back.

mod passphrase;
mod verbs;

pub(crate) use verbs::{restore, run};

use crate::error::HostError;
use std::path::PathBuf;
use tow_platform::backup::BackupError;

/// Make one file of the whole platform: store, blobs, and keys under a passphrase
///
/// Works while the platform is up and while it is down. The file appears when it is whole.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Backup {
    /// The file to be written, or a folder for it (else a name with the time, here)
    file: Option<PathBuf>,
    #[command(flatten)]
    secret: passphrase::Secret,
    #[command(flatten)]
    store: Database,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// The backups in a folder, whatever their names, the newest first
    List {
        /// The folder
        dir: PathBuf,
    },
    /// Take away all backups in a folder but the newest; those named by hand stay
    Prune {
        /// The folder
        dir: PathBuf,
        /// How many stay
        #[arg(long, value_name = "N")]
        keep: u16,
        /// Only say which would go
        #[arg(long)]
        dry_run: bool,
        /// Don't ask
        #[arg(long, conflicts_with = "dry_run")]
        yes: bool,
    },
    /// Restore a backup beside, see whether it holds together, and take it away again
    Drill {
        /// The backup
        file: PathBuf,
        /// Where there is room for it (else the system's temporary folder)
        #[arg(long = "in", value_name = "DIR")]
        room: Option<PathBuf>,
        #[command(flatten)]
        secret: passphrase::Secret,
        #[command(flatten)]
        store: Database,
    },
}

/// Make a data directory of a backup
///
/// Into a directory that is empty or not there (--data DIR), and with --database into an empty database. Broken off at
/// any moment it leaves nothing.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    secret: passphrase::Secret,
    #[command(flatten)]
    store: Database,
}

/// Where the store is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Database {
    /// The Postgres database the platform keeps everything in (else TOW_DATABASE)
    #[arg(long, value_name = "URL", env = "TOW_DATABASE", hide_env = true)]
    database: Option<String>,
}

impl From<&BackupError> for HostError {
    fn from(error: &BackupError) -> Self {
        let told = Self::new(error.code, &error.detail).untouched(error.untouched);
        if error.hint.is_empty() { told } else { told.hint(&error.hint) }
    }
}
