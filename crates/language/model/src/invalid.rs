//! One broken rule of one object: where (a JSON pointer into the document), what, and what was expected.

/// A broken rule. `formats` adds file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// RFC 6901 pointer into the document, such as `/spec/owner`; empty for the document itself.
    pub pointer: String,
    /// A stable code such as `score/placeholder-unknown`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: String,
    /// A way on, where there is one.
    pub hint: Option<String>,
}

impl Invalid {
    /// Without a hint.
    pub fn new(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            message: message.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
