//! The one error of the app, as people may read it. Which codes there are, and their HTTP status, is
//! [`tow_record::CODES`]. What only the log may hold is logged where it happens.

use tow_record::{Problem, Violation};
use tow_store::{CommitError, StoreError};

/// Why a use-case was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.detail)]
pub struct AppError(Box<Problem>);

impl AppError {
    /// With a code of [`tow_record::CODES`].
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::refusal(code, detail)))
    }

    /// Adds a way on.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says what is as it was, in a whole sentence: it is shown as it stands.
    #[must_use]
    pub fn untouched(mut self, what: impl Into<String>) -> Self {
        self.0.untouched = what.into();
        self
    }

    /// Adds a command to go on with.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.0.next.push(command.into());
        self
    }

    /// Worth another try after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Broken rules of documents.
    pub fn invalid(code: &str, violations: Vec<Violation>) -> Self {
        let detail = match violations.as_slice() {
            [one] => one.message.clone(),
            [first, ..] => format!("{} (and {} more)", first.message, violations.len() - 1),
            [] => "the documents are not valid".into(),
        };
        let mut error = Self::new(code, detail);
        error.0.violations = violations;
        error
    }

    /// Shows at most so many of the broken rules; how many there are is said already.
    #[must_use]
    pub fn showing(mut self, most: usize) -> Self {
        self.0.violations.truncate(most);
        self
    }

    /// There is no such thing, or none that the asker may see.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new("object/not-found", format!("{what} is not there"))
    }

    /// Its stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Whether it has this code.
    pub fn is(&self, code: &str) -> bool {
        self.0.code == code
    }

    /// As it leaves the platform.
    pub fn problem(&self) -> Problem {
        (*self.0).clone()
    }
}

/// What passes, or what somebody can mend, is said; where the store is and what its server says is for the log alone.
impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "store");
        let said = match &error {
            StoreError::Full { .. } => return full(),
            StoreError::Busy { .. } => "another program keeps the database locked",
            StoreError::ReadOnly { .. } => "the database can only be read now",
            StoreError::Unreachable { .. } => "the database's server can't be reached",
            StoreError::Crowded { .. } => "the database's server takes no more connections",
            StoreError::Login { .. } => "the database's server refuses the login",
            StoreError::NoDatabase { .. } => "the database is not there any more",
            StoreError::Denied { .. } => "the database's user may not do what is needed",
            StoreError::Uncertain { .. } => "the connection to the database broke during a write",
            _ => {
                let what = "the store did not answer; the log says more";
                return Self::new("platform/internal", what);
            }
        };
        Self::new(error.code(), said).untouched(error.untouched()).hint(error.hint())
    }
}

fn full() -> AppError {
    AppError::new("store/full", "the data directory's disk is full")
        .untouched("nothing was written; what runs goes on running")
        .hint("free some space; nothing was lost")
}

impl From<CommitError> for AppError {
    fn from(error: CommitError) -> Self {
        match error {
            // A second one of a place. One that only went on meanwhile has moved, as everything else does.
            CommitError::Conflict { kind, id, expected: 0, .. } if kind == "operation" => {
                Self::new("operation/under-way", format!("another change is under way ({id})"))
                    .hint("wait for it to end: tow status")
            }
            CommitError::Conflict { kind, id, .. } => {
                Self::new("object/moved", format!("{kind} {id} was changed meanwhile"))
                    .hint("look at it again and repeat")
            }
            CommitError::Full => full(),
            CommitError::Store(error) => error.into(),
            other => {
                tracing::error!(error = %other, "commit");
                Self::new("platform/internal", "the store did not take it; the log says more")
            }
        }
    }
}

impl From<tow_ports::PortError> for AppError {
    fn from(error: tow_ports::PortError) -> Self {
        use tow_ports::PortError as P;
        match error {
            P::NotThere(what) => Self::not_found(what),
            P::Refused(why) => Self::new("input/invalid", why),
            P::Fenced { .. } | P::Unavailable(_) => {
                tracing::warn!(%error, "port");
                Self::new("platform/unavailable", error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_went_on_has_moved_and_a_second_one_is_in_the_way() {
        let conflict = |expected| {
            let (kind, id) = ("operation".into(), "op-1".into());
            AppError::from(CommitError::Conflict { kind, id, expected, found: 4 })
        };
        assert!(conflict(3).is("object/moved"), "whoever wishes something of it tries again");
        assert!(conflict(0).is("operation/under-way"));
    }
}
