//! One broken rule of one object: where (a JSON pointer into the document), what, and what was expected.

/// Which part of the value at a pointer is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spot {
    /// The value.
    #[default]
    Value,
    /// The key it stands under.
    Key,
    /// A part of a text, in characters of the value as read (escapes undone).
    Inside {
        /// From 0.
        offset: usize,
        /// At least 1.
        length: usize,
    },
}

/// A broken rule. `formats` adds file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// RFC 6901 pointer into the document, such as `/spec/owner`; empty for the document itself.
    pub pointer: String,
    /// Which part of it.
    pub spot: Spot,
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
            spot: Spot::Value,
            code,
            message: message.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    /// Meaning the key and not the value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.spot = Spot::Key;
        self
    }

    /// Meaning these characters of the text at the pointer.
    #[must_use]
    pub fn inside(mut self, offset: usize, length: usize) -> Self {
        self.spot = Spot::Inside { offset, length: length.max(1) };
        self
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `parent` and one more token, escaped as RFC 6901 asks.
pub fn pointer(parent: &str, token: &str) -> String {
    let mut out = String::with_capacity(parent.len() + token.len() + 1);
    out.push_str(parent);
    out.push('/');
    for c in token.chars() {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            c => out.push(c),
        }
    }
    out
}
