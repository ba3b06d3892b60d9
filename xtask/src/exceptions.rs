//! Exceptions to the rules: `xtask/exceptions.txt`, one a line, `RULE SUBJECT`. The list may only shrink: a line
//! that is no longer needed is an error, and a new one is a line in a review.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

const FILE: &str = "xtask/exceptions.txt";

/// The exceptions, and which of them were needed.
pub(crate) struct Exceptions {
    lines: BTreeSet<String>,
    needed: BTreeSet<String>,
}

impl Exceptions {
    /// Reads the list.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(FILE)).context(FILE)?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { lines: lines.map(str::to_string).collect(), needed: BTreeSet::new() }
    }

    /// Is `subject` excused from `rule`? Asked only where it breaks it.
    pub(crate) fn excuse(&mut self, rule: &str, subject: &str) -> bool {
        let line = format!("{rule} {subject}");
        let known = self.lines.contains(&line);
        if known {
            self.needed.insert(line);
        }
        known
    }

    /// Lines that excuse nothing any more.
    pub(crate) fn left_over(&self) -> Vec<String> {
        self.lines
            .difference(&self.needed)
            .map(|line| format!("{FILE}: «{line}» excuses nothing any more: take the line out"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_only_shrinks() {
        let mut list = Exceptions::parse("# why\nlong a.rs\n\nroom b.rs\n");
        assert!(list.excuse("long", "a.rs"));
        assert!(!list.excuse("long", "b.rs"), "excused from another rule only");
        let left = list.left_over();
        assert_eq!(left.len(), 1);
        assert!(left[0].contains("room b.rs"));
    }
}
