//! Every error code that the sources say is in the one list that the reference is printed from, and every code of the
//! list is said somewhere.

use super::{Complaint, Tree};
use std::collections::BTreeSet;

/// The list.
const LIST: &str = "crates/language/record/src/code.rs";

/// What has a slash and is no code: media types, and a path below the data directory.
const OTHERS: [&str; 7] = ["application", "audio", "font", "image", "text", "video", "run"];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let listed: BTreeSet<&str> = match tree.rust().find(|(path, _)| *path == LIST) {
        Some((_, text)) => literals(text).collect(),
        None => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut said = BTreeSet::new();
    let own = |path: &str| {
        path.starts_with("crates/")
            && path.contains("/src/")
            && !path.contains("/tests")
            && path != LIST
    };
    for (path, text) in tree.rust().filter(|(path, _)| own(path)) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for literal in literals(code) {
            said.insert(literal);
            if !listed.contains(literal) {
                found.push(Complaint::new("code", path, format!("«{literal}» is not in {LIST}")));
            }
        }
    }
    // A family whose last word is put in while it runs, as in `rollout/{gate}`.
    let open = |code: &str| {
        let family = code.split('/').next().unwrap_or_default();
        let start = format!("\"{family}/{{");
        tree.rust().any(|(path, text)| own(path) && text.contains(&start))
    };
    for code in listed.difference(&said).filter(|code| !open(code)) {
        found.push(Complaint::new("code", LIST, format!("nobody says «{code}»")));
    }
    found
}

/// String literals of the form `family/what-is-wrong`.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|literal| {
        literal.split_once('/').is_some_and(|(family, rest)| {
            let word = |word: &str| {
                word.starts_with(|c: char| c.is_ascii_lowercase())
                    && word
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            };
            word(family) && word(rest) && !OTHERS.contains(&family)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let list = (LIST, r#""plan/stale" 409 "Stale" "plan/old" 409 "Old" #[cfg(test)]"#);
        let user = ("crates/x/y/src/a.rs", r#"new("plan/stale"); new("plan/new"); a("text/html")"#);
        let found = check(&Tree::of(&[list, user]));
        let what: Vec<&str> = found.iter().map(|c| c.what.as_str()).collect();
        assert_eq!(what.len(), 2, "{what:?}");
        assert!(what[0].contains("plan/new") && what[1].contains("plan/old"), "{what:?}");
    }
}
