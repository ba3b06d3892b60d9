//! The one error of the app, as people may read it.

use tow_record::Problem;

/// Why a use-case was not done. What only the log may hold was logged where it happened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.detail)]
pub struct AppError(Box<Problem>);

impl AppError {
    /// As it leaves the platform.
    pub fn problem(&self) -> Problem {
        (*self.0).clone()
    }
}
