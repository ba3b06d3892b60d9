//! What can go wrong with a backup file: a stable code, what is untouched, a way on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A backup could not be written or read. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// There is a file, but it is not one of ours.
    #[error("{} is not a backup of Towpath: {why}", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// Its format is one that only a later version knows.
    #[error(
        "{} was made by a newer Towpath ({made_by}): its format is {found}, this binary knows {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that made it.
        made_by: String,
        /// The format's number in the file.
        found: u32,
        /// The highest number this binary knows.
        known: u32,
    },
    /// It ends too early.
    #[error("{} is cut off: it ends in {entry}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The entry in which, or after which, it ends.
        entry: String,
    },
    /// A byte is not the one that was written.
    #[error("{} is changed or damaged: {entry}: {why}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The entry whose bytes they are.
        entry: String,
        /// What does not fit.
        why: String,
    },
    /// The file is whole, but the passphrase is another one.
    #[error("the passphrase does not fit {}", path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// Too easy to guess.
    #[error("the passphrase has {found} characters; at least {least} are needed")]
    Short {
        /// So many.
        found: usize,
        /// So many are needed.
        least: usize,
    },
    /// There is a file of that name.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process is writing it.
    #[error("another process is writing {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// No space is left.
    #[error("the disk is full: {} can't be written", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The system says no.
    #[error("{} can't be used: {why}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        why: String,
    },
}

impl ArchiveError {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotABackup { .. } => "backup/not-a-backup",
            Self::Newer { .. } => "backup/newer",
            Self::Truncated { .. } => "backup/truncated",
            Self::Changed { .. } => "backup/changed",
            Self::Passphrase { .. } => "backup/passphrase",
            Self::Short { .. } => "backup/passphrase-short",
            Self::Exists { .. } => "backup/exists",
            Self::Busy { .. } => "backup/busy",
            Self::Full { .. } => "backup/disk-full",
            Self::File { .. } => "backup/file",
        }
    }

    /// A way on.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotABackup { .. } => "name a file that tow backup wrote",
            Self::Newer { .. } => "restore it with that version of tow, or a later one",
            Self::Truncated { .. } | Self::Changed { .. } => {
                "use another backup, or another copy of this one; tow backup drill says whether one is whole"
            }
            Self::Passphrase { .. } => {
                "say the passphrase it was made with: --passphrase-file FILE or TOW_BACKUP_PASSPHRASE"
            }
            Self::Short { .. } => {
                "take a longer one: who has the file can try as many as they like"
            }
            Self::Exists { .. } => "name another file, or take that one away",
            Self::Busy { .. } => "wait for it, or name another file",
            Self::Full { .. } => "free some space, or write to another disk",
            Self::File { .. } => "look at the path, its owner and its permissions",
        }
    }

    /// From what the system says of a file.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::File { path, why: error.to_string() },
        }
    }
}
