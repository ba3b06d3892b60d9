//! Why a verb ended otherwise than done. Everything a user reads about it is a [`Problem`], whoever found it.

use crate::Exit;
use tow_client::{ClientError, LocalError};
use tow_record::Problem;

/// Why a verb did not get done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be shown.
    Problem(Box<Problem>),
    /// Everything was shown already.
    Shown(Exit),
    /// A command that ran elsewhere ended with this code, which is ours.
    Ended(i32),
    /// Nobody reads our output any more, as behind `| head`.
    Closed,
}

/// What a verb returns.
pub(crate) type Verdict<T = ()> = Result<T, Failure>;

impl Failure {
    /// Of the CLI's own, with a code of [`tow_record::CODES`]. Nothing was sent, so nothing was changed.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self::Problem(Box::new(Problem::refusal(code, detail)))
    }

    /// With a way on.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Problem(problem) = &mut self {
            problem.hint = Some(hint.into());
        }
        self
    }

    /// For `main`.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problem(problem) => Exit::of(problem),
            Self::Shown(exit) => *exit,
            Self::Ended(_) => Exit::Failed,
            Self::Closed => Exit::Done,
        }
    }

    /// The exit status: what [`Failure::exit`] says, or the code of a command that ran elsewhere.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Ended(code) => *code,
            other => other.exit().code(),
        }
    }

    /// A file or folder that can't be read.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such file or folder".to_string(),
            ErrorKind::PermissionDenied => "it may not be read by this user".to_string(),
            ErrorKind::NotADirectory => "it is not a folder".to_string(),
            _ => error.to_string(),
        };
        Self::new("file/unreadable", format!("{} can't be read: {why}", path.display()))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let detail = error.to_string();
        let new = |code| Self::new(code, detail);
        match error {
            ClientError::Problem(problem) => Self::Problem(problem),
            ClientError::Unreachable { .. } => new("client/unreachable")
                .hint("`tow up` starts one on this machine; TOW_URL says where another one is"),
            ClientError::Interrupted { .. } => {
                let mut failure = new("client/interrupted").hint(
                    "`tow status` shows how things are; the same command again does nothing twice",
                );
                if let Self::Problem(problem) = &mut failure {
                    problem.untouched = "whether the platform did it is not known".into();
                }
                failure
            }
            ClientError::Foreign { .. } => new("client/foreign").hint(
                "TOW_URL says where the platform is; `tow --version` must not be older than it",
            ),
            ClientError::Tls { .. } => new("client/not-trusted")
                .hint("--ca FILE or TOW_CA names a certificate authority of your own, as PEM"),
            ClientError::Ca { .. } => new("client/ca")
                .hint("a file with certificates as PEM: -----BEGIN CERTIFICATE-----"),
            ClientError::Url { .. } => new("client/url"),
            ClientError::Source(_) => new("client/source"),
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        let detail = error.to_string();
        match error {
            LocalError::NotRunning(_) => Self::new("client/not-running", detail)
                .hint("`tow up` starts one; TOW_URL and TOW_TOKEN say where another one is"),
            LocalError::NoHome => {
                Self::new("client/no-home", detail).hint("set TOW_DATA or TOW_URL")
            }
            LocalError::Unreadable { .. } => Self::new("client/unreadable", detail)
                .hint("the platform's files belong to the user who started it"),
        }
    }
}
