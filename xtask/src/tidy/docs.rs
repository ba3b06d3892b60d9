//! Rules for what people read: a link leads somewhere, and a path that is named is there.

use super::{Complaint, Tree};

/// A code span that begins so is a path in this tree.
const OURS: [&str; 7] = ["crates/", "docs/", "examples/", "openapi/", "testkit/", "xtask/", ".ci/"];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in links(text) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            match resolve(folder, target) {
                Some(file) if tree.has(&file) => {}
                _ => found.push(Complaint::new(
                    "link",
                    path,
                    format!("the link to {target} is dead"),
                )),
            }
        }
        // What was, may be gone.
        if path == "CHANGELOG.md" {
            continue;
        }
        for span in spans(text) {
            let placeholder = |c: char| " <>*{}…|".contains(c) || c.is_ascii_uppercase();
            let is_path = OURS.iter().any(|start| span.starts_with(start));
            if is_path && !span.contains(placeholder) && !tree.has(span) {
                found.push(Complaint::new("path", path, format!("there is no {span}")));
            }
        }
    }
    found
}

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !fenced {
            let rests = line.split("](").skip(1);
            targets.extend(rests.filter_map(|rest| rest.split_once(')').map(|(target, _)| target)));
        }
    }
    targets
}

/// Code spans of one line: what stands between two backticks outside fences.
fn spans(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut spans = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2));
        }
    }
    spans
}

/// `target` as seen from `folder`, below the root; nothing where it leads out of the tree.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_and_paths_are_found() {
        let tree = Tree::of(&[
            ("docs/a.md", "[b](b.md) [up](../README.md#x) [out](https://example.org) `docs/b.md`"),
            ("docs/b.md", "[gone](c.md)\n`xtask/gone.rs` `docs/<kind>.md`\n```\n[x](y)\n```\n"),
            ("README.md", "nothing"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|c| (c.rule, c.subject)).collect();
        assert_eq!(found, [("link", "docs/b.md".into()), ("path", "docs/b.md".into())]);
    }
}
