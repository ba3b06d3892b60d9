//! The exit status: the truth about how it ended, for scripts. One table from a problem's code and status.

use tow_record::Problem;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is so.
    Done = 0,
    /// It was tried and did not work.
    Failed = 1,
    /// The command line or a file is not right.
    Invalid = 2,
    /// A rule does not allow it.
    Refused = 3,
    /// There is no such thing.
    NotFound = 4,
    /// Something moved in between, or somebody else is at it.
    Conflict = 5,
}

impl Exit {
    /// For `main`.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// What a problem means for a script. The code decides where it says more than the HTTP status.
    pub fn of(problem: &Problem) -> Self {
        match problem.code.as_str() {
            "plan/stale" => Self::Conflict,
            "plan/refused" => Self::Refused,
            code if code.starts_with("access/") || code.starts_with("rule/") => Self::Refused,
            _ => match problem.status {
                400 | 405 | 413..=415 | 422 => Self::Invalid,
                401 | 403 => Self::Refused,
                404 | 410 => Self::NotFound,
                409 | 412 => Self::Conflict,
                _ => Self::Failed,
            },
        }
    }
}
