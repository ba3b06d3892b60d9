//! What became of a scheduled backup, written into the log: whoever follows it learns of one that was not made.

use crate::{App, AppError, OpCtx, handle::body};
use serde_json::{Value, json};
use tow_store::Batch;

/// How a scheduled backup ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupOutcome {
    /// There is a file.
    Made {
        /// Where.
        file: String,
        /// In bytes.
        size: u64,
        /// The last event in it.
        head: i64,
        /// So many older ones were taken away.
        removed: usize,
    },
    /// There is none.
    Failed {
        /// A stable code.
        code: String,
        /// Why, for people.
        why: String,
    },
}

impl App {
    /// Notes it.
    pub async fn note_backup(&self, outcome: BackupOutcome) -> Result<(), AppError> {
        let (kind, what) = match outcome {
            BackupOutcome::Made { file, size, head, removed } => (
                "backup.made",
                body(
                    format!("a backup was made: {file}"),
                    Value::Null,
                    json!({"file": file, "size": size, "head": head, "removed": removed}),
                ),
            ),
            BackupOutcome::Failed { code, why } => (
                "backup.failed",
                body(format!("no backup was made: {why}"), Value::Null, json!({"code": code})),
            ),
        };
        let mut batch = Batch::new();
        batch.event(self.event(&OpCtx::system("backup"), kind, "platform", what));
        self.store().commit(batch).await?;
        Ok(())
    }
}
