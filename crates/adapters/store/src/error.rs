//! What can go wrong with the store, apart from what the caller did: a stable code, what is untouched, a way on.

use std::path::{Path, PathBuf};

/// The store could not be opened, read or written. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A database file on a network does not keep locks and shared memory, and breaks silently.
    #[error("{} lies on {filesystem}, which does not keep the locks a database needs", path.display())]
    Network {
        /// The database file.
        path: PathBuf,
        /// Such as `NFS`.
        filesystem: &'static str,
    },
    /// A later version of the platform has been here.
    #[error("{} was written by a newer Towpath: its schema is {found}, this binary knows {known}", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The schema's number in the file.
        found: i64,
        /// The highest number this binary knows.
        known: i64,
    },
    /// There is a file, but it is not one of ours.
    #[error("{} is not a store of Towpath: {why}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// No space is left for the database or its log.
    #[error("the disk is full: {} can't grow", path.display())]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// The file can't be opened, read or written.
    #[error("{} can't be used: {why}", path.display())]
    File {
        /// The database file.
        path: PathBuf,
        /// The system's word.
        why: String,
    },
    /// Another process held the database for too long.
    #[error("another process keeps {} locked", path.display())]
    Busy {
        /// The database file.
        path: PathBuf,
    },
    /// The file's structure is broken.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was noticed.
        why: String,
    },
    /// A stored value does not read as what it should be.
    #[error("the {kind} {id} can't be read: {why}")]
    Body {
        /// `object` or a record's kind.
        kind: String,
        /// Its id.
        id: String,
        /// What did not fit.
        why: String,
    },
    /// One batch writes the same thing twice: a mistake in the platform.
    #[error("one batch writes the {kind} {id} twice")]
    Twice {
        /// `object` or a record's kind.
        kind: String,
        /// Its id.
        id: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The database refused a statement: a mistake in the platform.
    #[error("the store refused a statement: {0}")]
    Statement(String),
}

impl StoreError {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Network { .. } => "store/network-filesystem",
            Self::Newer { .. } => "store/newer-schema",
            Self::NotOurs { .. } => "store/not-a-store",
            Self::Full { .. } => "store/disk-full",
            Self::File { .. } => "store/file",
            Self::Busy { .. } => "store/busy",
            Self::Damaged { .. } => "store/damaged",
            Self::Body { .. } => "store/unreadable",
            Self::Twice { .. } => "store/written-twice",
            Self::Closed => "store/closed",
            Self::Statement(_) => "store/statement",
        }
    }

    /// What was left as it was: a batch is all or nothing, and opening changes nothing it does not understand.
    pub const fn untouched(&self) -> &'static str {
        match self {
            Self::Network { .. } | Self::Newer { .. } | Self::NotOurs { .. } => {
                "the file was not changed"
            }
            _ => "nothing was written; what runs goes on running",
        }
    }

    /// A way on.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Network { .. } => "put the data directory on a disk of this machine",
            Self::Newer { .. } => "use the newer binary, or restore a backup made by this one",
            Self::NotOurs { .. } => "name another data directory, or move the file away",
            Self::Full { .. } => {
                "free some space; nothing else is needed, the platform goes on by itself"
            }
            Self::File { .. } => "look at the owner and the permissions of the data directory",
            Self::Busy { .. } => "stop the other process that uses this data directory",
            Self::Damaged { .. } => "restore the last backup; keep the damaged file for a look",
            Self::Body { .. } => "this binary may be older than the value: use the newer one",
            Self::Twice { .. } | Self::Statement(_) => {
                "this is a mistake in Towpath: please report it"
            }
            Self::Closed => "the platform is going down: ask again when it is up",
        }
    }

    /// From what the driver says. `path` tells a full disk from another failure of the disk.
    pub(crate) fn from_sqlx(error: &sqlx::Error, path: &Path) -> Self {
        let file = path.to_path_buf();
        let why = error.to_string();
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Busy { path: file },
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                Self::Full { path: file }
            }
            sqlx::Error::Io(_) => Self::File { path: file, why },
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
                // The lower byte is the primary result code, https://www.sqlite.org/rescode.html
                match code & 0xff {
                    5 | 6 => Self::Busy { path: file },
                    11 => Self::Damaged { path: file, why },
                    13 => Self::Full { path: file },
                    // Growing the shared memory or syncing a full disk comes as an IO error, not as "full".
                    10 if crate::file::no_space(path) => Self::Full { path: file },
                    8 | 10 | 14 => Self::File { path: file, why },
                    26 => Self::NotOurs { path: file, why: "it is not a database".into() },
                    _ => Self::Statement(why),
                }
            }
            _ => Self::Statement(why),
        }
    }
}

/// Why a batch was not written. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Something is not as the batch expected it.
    #[error("the {kind} {id} is at version {found}, expected was {expected}")]
    Conflict {
        /// `object`, a record's kind, or `idempotency`.
        kind: String,
        /// Its id; for a second open operation its subject.
        id: String,
        /// The version that was expected; 0: that there is none.
        expected: i64,
        /// The version that is there; 0: there is none.
        found: i64,
    },
    /// The caller does not hold the lease any more.
    #[error("refused: epoch {given} of the lease {lease} is behind {found}")]
    Fenced {
        /// The lease's name.
        lease: String,
        /// The caller's.
        given: i64,
        /// The lease's now; 0 where nobody ever took it.
        found: i64,
    },
    /// No space is left.
    #[error("the disk is full: nothing was written")]
    Full,
    /// Something else.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::Full,
            other => Self::Store(other),
        }
    }
}
