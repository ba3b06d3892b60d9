//! What every file must keep to. Each rule is one function from the tree to complaints; what is excused stands in
//! `xtask/exceptions.txt`, a list that may only shrink.

mod codes;
mod docs;
mod rooms;
mod text;

use crate::exceptions::Exceptions;
use crate::workspace;
use anyhow::{Result, bail};
use std::path::Path;

/// One broken rule.
pub(crate) struct Complaint {
    /// The rule, as `xtask/exceptions.txt` names it.
    rule: &'static str,
    /// Which file or thing breaks it.
    subject: String,
    /// What is wrong and what would be right.
    what: String,
}

impl Complaint {
    fn new(rule: &'static str, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self { rule, subject: subject.into(), what: what.into() }
    }
}

/// The committed tree, read once. Files that are not text have no text.
pub(crate) struct Tree {
    files: Vec<(String, Option<String>)>,
}

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let files = workspace::files(root)?.into_iter().map(|file| {
            let text = std::fs::read(root.join(&file)).ok().and_then(|b| String::from_utf8(b).ok());
            (file, text)
        });
        Ok(Self { files: files.collect() })
    }

    /// Path and text of every text file.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Path and text of every Rust file.
    fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Is there such a file or folder?
    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.iter().any(|(file, _)| {
            file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Only for tests.
    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| (path.to_string(), Some(text.to_string()));
        Self { files: files.iter().map(own).collect() }
    }
}

/// Prints every complaint that is not excused; an error where there is one.
pub(crate) fn check(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut exceptions = Exceptions::read(root)?;
    let rules: [fn(&Tree) -> Vec<Complaint>; 4] =
        [rooms::check, text::check, docs::check, codes::check];
    let mut wrong: Vec<String> = rules
        .iter()
        .flat_map(|rule| rule(&tree))
        .filter(|complaint| !exceptions.excuse(complaint.rule, &complaint.subject))
        .map(|c| format!("{}: {} [{}]", c.subject, c.what, c.rule))
        .collect();
    wrong.extend(exceptions.left_over());
    for line in &wrong {
        println!("{line}");
    }
    let long = rooms::long(&tree);
    if !long.is_empty() {
        println!("over {} lines, each worth a question: {}", rooms::ASK, long.join(", "));
    }
    if !wrong.is_empty() {
        bail!("{} things are not tidy", wrong.len());
    }
    println!("{} files, all tidy", tree.files.len());
    Ok(())
}
