//! Why a verb ended otherwise than done. Everything a user reads about it is a [`Problem`], whoever found it.

use crate::exit::Exit;
use tow_client::{ClientError, LocalError};
use tow_record::Problem;

/// Why a verb did not get done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be shown.
    Problem(Box<Problem>),
    /// Everything was shown already.
    Shown(Exit),
    /// Nobody reads our output any more, as behind `| head`.
    Closed,
}

/// What a verb returns.
pub(crate) type Verdict<T = ()> = Result<T, Failure>;

impl Failure {
    /// Of the CLI's own. Nothing was sent, so nothing was changed.
    pub(crate) fn new(exit: Exit, code: &str, title: &str, detail: impl Into<String>) -> Self {
        let status = match exit {
            Exit::Invalid => 422,
            Exit::Refused => 403,
            Exit::NotFound => 404,
            Exit::Conflict => 409,
            Exit::Done | Exit::Failed => 500,
        };
        Self::Problem(Box::new(Problem {
            code: code.into(),
            title: title.into(),
            status,
            detail: detail.into(),
            untouched: "nothing was changed".into(),
            hint: None,
            next: Vec::new(),
            violations: Vec::new(),
            request: String::new(),
        }))
    }

    /// A wrong command line or file.
    pub(crate) fn invalid(code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, code, title, detail)
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
            Self::Closed => Exit::Done,
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
        Self::invalid(
            "file/unreadable",
            "A file can't be read",
            format!("{} can't be read: {why}", path.display()),
        )
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let detail = error.to_string();
        let new = |code, title| Self::new(Exit::Failed, code, title, detail.clone());
        match error {
            ClientError::Problem(problem) => Self::Problem(problem),
            ClientError::Unreachable { .. } => {
                new("client/unreachable", "The platform does not answer")
                    .hint("`tow up` starts one on this machine; TOW_URL says where another one is")
            }
            ClientError::Interrupted { .. } => {
                let mut failure = new("client/interrupted", "The connection broke").hint(
                    "`tow status` shows how things are; the same command again does nothing twice",
                );
                if let Self::Problem(problem) = &mut failure {
                    problem.untouched = "whether the platform did it is not known".into();
                }
                failure
            }
            ClientError::Foreign { .. } => new("client/foreign", "That is not a platform we know")
                .hint(
                    "TOW_URL says where the platform is; `tow --version` must not be older than it",
                ),
            ClientError::Url { .. } => {
                Self::invalid("client/url", "The platform's URL is not right", detail)
            }
            ClientError::Source(_) => new("client/source", "It can't be sent"),
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        let detail = error.to_string();
        match error {
            LocalError::NotRunning(_) => {
                Self::new(Exit::Failed, "client/not-running", "No platform is running here", detail)
                    .hint("`tow up` starts one; TOW_URL and TOW_TOKEN say where another one is")
            }
            LocalError::NoHome => Self::invalid("client/no-home", "No data directory", detail)
                .hint("set TOW_DATA or TOW_URL"),
            LocalError::Unreadable { .. } => {
                Self::new(Exit::Failed, "client/unreadable", "The platform can't be found", detail)
                    .hint("the platform's files belong to the user who started it")
            }
        }
    }
}
