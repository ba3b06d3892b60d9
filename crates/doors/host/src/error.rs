//! What can go wrong on the machine's side, as people read it.

/// Why `up` or `down` ended early.
#[derive(Debug, Clone)]
pub(crate) struct HostError {
    code: &'static str,
    detail: String,
    untouched: &'static str,
    hint: Option<String>,
    exit: i32,
}

impl HostError {
    /// Failed: exit 1.
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), untouched: "", hint: None, exit: 1 }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) const fn untouched(mut self, what: &'static str) -> Self {
        self.untouched = what;
        self
    }

    pub(crate) const fn exits(mut self, status: i32) -> Self {
        self.exit = status;
        self
    }

    pub(crate) const fn exit(&self) -> i32 {
        self.exit
    }

    /// On stderr: for people, or as one line of JSON with the members of a problem.
    pub(crate) fn print(&self, json: bool) {
        if json {
            let line = serde_json::json!({
                "code": self.code, "detail": self.detail,
                "untouched": self.untouched, "hint": self.hint,
            });
            anstream::eprintln!("{line}");
            return;
        }
        anstream::eprintln!("error: {} [{}]", self.detail, self.code);
        if !self.untouched.is_empty() {
            anstream::eprintln!("  left as it was: {}", self.untouched);
        }
        if let Some(hint) = &self.hint {
            anstream::eprintln!("\nhint: {hint}");
        }
    }
}
