//! What can go wrong with the store, apart from what the caller did: a stable code, what is untouched, a way on.
//! `at` is the location as people see it, without any password.

/// The store could not be opened, read or written. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What names the store makes no sense. Says nothing of the text itself: a password may be in it.
    #[error("the store's location makes no sense: {why}")]
    Location {
        /// What is wrong with it.
        why: String,
    },
    /// A database file on a network does not keep locks and shared memory, and breaks silently.
    #[error("{at} lies on {filesystem}, which does not keep the locks a database needs")]
    #[expect(missing_docs, reason = "where, and on what")]
    Network { at: String, filesystem: &'static str },
    /// A later version of the platform has been here.
    #[error(
        "{at} was written by a newer Towpath: its schema is {found}, this binary knows {known}"
    )]
    Newer {
        /// The location.
        at: String,
        /// The schema's number there.
        found: i64,
        /// The highest number this binary knows.
        known: i64,
    },
    /// Its schema was not brought up to date yet.
    #[error("the schema of {at} is {found}, this binary knows {known}")]
    Older {
        /// The location.
        at: String,
        /// The schema's number there.
        found: i64,
        /// The highest number this binary knows.
        known: i64,
    },
    /// What is to be imported into holds something already.
    #[error("{at} is not empty")]
    #[expect(missing_docs, reason = "where")]
    NotEmpty { at: String },
    /// What is to be imported is no whole export.
    #[error("this is no whole export: {why}")]
    #[expect(missing_docs, reason = "what was noticed")]
    Broken { why: String },
    /// There is something, but it is not one of ours.
    #[error("{at} is not a store of Towpath: {why}")]
    #[expect(missing_docs, reason = "where, and what was found instead")]
    NotOurs { at: String, why: String },
    /// The database is one that we can't live in.
    #[error("{at} can't hold a store: {why}")]
    #[expect(missing_docs, reason = "where, and why not")]
    Unfit { at: String, why: String },
    /// No space is left for the database or its log.
    #[error("the disk is full: {at} can't grow")]
    #[expect(missing_docs, reason = "where")]
    Full { at: String },
    /// The file can't be opened, read or written.
    #[error("{at} can't be used: {why}")]
    #[expect(missing_docs, reason = "where, and the system's word")]
    File { at: String, why: String },
    /// The database takes no writes.
    #[error("{at} can only be read")]
    #[expect(missing_docs, reason = "where")]
    ReadOnly { at: String },
    /// Another process held the database for too long.
    #[error("another process keeps {at} locked")]
    #[expect(missing_docs, reason = "where")]
    Busy { at: String },
    /// The structure is broken.
    #[error("{at} is damaged: {why}")]
    #[expect(missing_docs, reason = "where, and what was noticed")]
    Damaged { at: String, why: String },
    /// The server does not answer, or the connection to it broke.
    #[error("{at} can't be reached: {why}")]
    #[expect(missing_docs, reason = "where, and the system's word")]
    Unreachable { at: String, why: String },
    /// The connection broke while a write was being made durable.
    #[error("the connection to {at} was lost during a write: {why}")]
    #[expect(missing_docs, reason = "where, and the system's word")]
    Uncertain { at: String, why: String },
    /// The server does not take name and password.
    #[error("{at} refused the login: {why}")]
    #[expect(missing_docs, reason = "where, and the server's word")]
    Login { at: String, why: String },
    /// The server has no such database.
    #[error("{at}: there is no such database")]
    #[expect(missing_docs, reason = "where")]
    NoDatabase { at: String },
    /// The server has as many connections as it takes.
    #[error("{at} takes no more connections")]
    #[expect(missing_docs, reason = "where")]
    Crowded { at: String },
    /// The user of the database may not do what we do.
    #[error("{at} does not let us: {why}")]
    #[expect(missing_docs, reason = "where, and the server's word")]
    Denied { at: String, why: String },
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
            Self::Location { .. } => "store/location",
            Self::Network { .. } => "store/network-filesystem",
            Self::Newer { .. } => "store/newer-schema",
            Self::Older { .. } => "store/older-schema",
            Self::NotEmpty { .. } => "store/not-empty",
            Self::Broken { .. } => "store/broken-export",
            Self::NotOurs { .. } => "store/not-a-store",
            Self::Unfit { .. } => "store/unfit-database",
            Self::Full { .. } => "store/disk-full",
            Self::File { .. } => "store/file",
            Self::ReadOnly { .. } => "store/read-only",
            Self::Busy { .. } => "store/busy",
            Self::Damaged { .. } => "store/damaged",
            Self::Unreachable { .. } => "store/unreachable",
            Self::Uncertain { .. } => "store/outcome-unknown",
            Self::Login { .. } => "store/login",
            Self::NoDatabase { .. } => "store/no-database",
            Self::Crowded { .. } => "store/too-many-connections",
            Self::Denied { .. } => "store/denied",
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
                "the database was not changed"
            }
            Self::Uncertain { .. } => {
                "all of the write was made or nothing of it, nobody knows which; what runs goes on running"
            }
            _ => "nothing was written; what runs goes on running",
        }
    }

    /// A way on.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Location { .. } => "write postgres://USER:PASSWORD@HOST:PORT/DATABASE, or a path",
            Self::Network { .. } => "put the data directory on a disk of this machine",
            Self::Newer { .. } => "use the newer binary, or restore a backup made by this one",
            Self::Older { .. } => {
                "start it once with this binary: that brings the schema up to date"
            }
            Self::NotEmpty { .. } => "name an empty database, or another file",
            Self::Broken { .. } => "make the export again",
            Self::NotOurs { .. } => "name another place for the store, or move what is there away",
            Self::Unfit { .. } => {
                "make another one: CREATE DATABASE tow ENCODING 'UTF8' TEMPLATE template0"
            }
            Self::Full { .. } => {
                "free some space; nothing else is needed, the platform goes on by itself"
            }
            Self::File { .. } => "look at the owner and the permissions of the data directory",
            Self::ReadOnly { .. } => {
                "name the primary, not a standby; of a file, look at its permissions and at how its disk is mounted"
            }
            Self::Busy { .. } => "stop the other process that uses this store",
            Self::Damaged { .. } => "restore the last backup; keep what is damaged for a look",
            Self::Unreachable { .. } => {
                "look whether the server runs and whether host, port and sslmode are right; the platform tries again by itself"
            }
            Self::Uncertain { .. } => {
                "ask again with the same key: what was done is not done twice"
            }
            Self::Login { .. } => "look at user and password, and at the server's pg_hba.conf",
            Self::NoDatabase { .. } => {
                "make it: CREATE DATABASE tow ENCODING 'UTF8' TEMPLATE template0"
            }
            Self::Crowded { .. } => {
                "raise max_connections, or end others; one platform takes ten connections"
            }
            Self::Denied { .. } => "let the user own the database: ALTER DATABASE … OWNER TO …",
            Self::Body { .. } => "this binary may be older than the value: use the newer one",
            Self::Twice { .. } | Self::Statement(_) => {
                "this is a mistake in Towpath: please report it"
            }
            Self::Closed => "the platform is going down: ask again when it is up",
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
