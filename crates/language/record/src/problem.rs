//! The one shape of an error for people and programs (RFC 9457 with our members), rendered by server, portal and CLI.

use crate::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where in a text, for people: the line itself too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceLine {
    /// As the user named the file; `-` for standard input.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub col: u32,
    /// How many characters are meant; at least 1.
    pub length: u32,
    /// The line's text, cut to a readable length.
    pub snippet: String,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// A stable code, such as `score/placeholder-unknown`.
    pub code: String,
    /// RFC 6901 pointer into the document.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: String,
    /// A way on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
}

/// An error as it leaves the platform, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable code such as `plan/stale`; also the last part of `type`.
    pub code: String,
    /// The kind of error, in a few words.
    pub title: String,
    /// The HTTP status; none where it is no answer of a server, but `tow` itself says so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What was left as it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub untouched: String,
    /// A way on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Commands or addresses to go on with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// Each broken rule, with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The request, to find it in the logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// Worth another try after so many seconds; the header `Retry-After` says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// Of a code of [`crate::CODES`], which says status and title. A code that is not in the list is a mistake of ours:
    /// 500.
    pub fn of(code: &str, detail: impl Into<String>) -> Self {
        let (status, title) = Code::find(code)
            .map_or((500, "Something went wrong inside the platform"), |c| (c.status, c.title));
        Self {
            code: code.into(),
            title: title.into(),
            status,
            detail: detail.into(),
            untouched: String::new(),
            hint: None,
            next: Vec::new(),
            violations: Vec::new(),
            request: String::new(),
            retry_after: None,
        }
    }

    /// [`Problem::of`] a code with which something is refused before anything was done: nothing was changed, and it
    /// says so, unless the platform itself broke.
    pub fn refusal(code: &str, detail: impl Into<String>) -> Self {
        let mut problem = Self::of(code, detail);
        if problem.status < 500 {
            problem.untouched = "nothing was changed".into();
        }
        problem
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(status: &u16) -> bool {
    *status == 0
}
