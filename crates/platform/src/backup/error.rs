//! What can go wrong with a backup, from whichever room it came: a code, what is untouched, a way on.

use tow_archive::ArchiveError;
use tow_ports::PortError;
use tow_secrets::KeyError;
use tow_store::StoreError;

/// Why there is no backup, or nothing was restored. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BackupError {
    /// A stable code.
    pub code: &'static str,
    /// What happened.
    pub detail: String,
    /// What was left as it was.
    pub untouched: &'static str,
    /// A way on.
    pub hint: String,
}

impl BackupError {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        let (untouched, hint) = ("everything", String::new());
        Self { code, detail: detail.into(), untouched, hint }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl From<ArchiveError> for BackupError {
    fn from(error: ArchiveError) -> Self {
        Self::new(error.code(), error.to_string()).hint(error.hint())
    }
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), error.to_string()).hint(error.hint())
    }
}

impl From<KeyError> for BackupError {
    fn from(error: KeyError) -> Self {
        Self::new(error.code(), error.to_string()).hint(error.hint())
    }
}

impl From<PortError> for BackupError {
    fn from(error: PortError) -> Self {
        Self::new("backup/file", error.to_string())
            .hint("look at the owner and the permissions of the data directory, and at its disk")
    }
}

/// Of a file or folder.
pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> BackupError {
    let full =
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let code = if full { "backup/disk-full" } else { "backup/file" };
    BackupError::new(code, format!("{}: {error}", path.display())).hint(if full {
        "free some space, or use another disk"
    } else {
        "look at the path"
    })
}

/// Work on files, off the threads that serve.
pub(crate) async fn off<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(BackupError::new("backup/file", format!("the worker broke off: {error}")))
    })
}
