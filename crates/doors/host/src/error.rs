//! What can go wrong on the machine's side, as people read it.

use tow_record::{ExitStatus, Problem};

/// Why `up` or `down` ended early.
#[derive(Debug, Clone)]
pub(crate) struct HostError {
    problem: Box<Problem>,
    exit: i32,
}

impl HostError {
    /// With a code of [`tow_record::CODES`], which also says how `tow` ends.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        let problem = Box::new(Problem::of(code, detail));
        let exit = ExitStatus::of(&problem).code();
        Self { problem, exit }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    pub(crate) fn untouched(mut self, what: &str) -> Self {
        self.problem.untouched = what.into();
        self
    }

    /// Ends otherwise than the list says of its code.
    pub(crate) const fn exits(mut self, status: i32) -> Self {
        self.exit = status;
        self
    }

    pub(crate) const fn exit(&self) -> i32 {
        self.exit
    }

    /// On stderr: for people, or as one line of JSON.
    pub(crate) fn print(&self, json: bool) {
        let problem = &self.problem;
        if json {
            // A problem holds text and numbers only: there is nothing that could not be written.
            anstream::eprintln!("{}", serde_json::to_string(problem).unwrap_or_default());
            return;
        }
        anstream::eprintln!("error: {} [{}]", problem.detail, problem.code);
        if !problem.untouched.is_empty() {
            anstream::eprintln!("  left as it was: {}", problem.untouched);
        }
        if let Some(hint) = &problem.hint {
            anstream::eprintln!("\nhint: {hint}");
        }
    }
}
