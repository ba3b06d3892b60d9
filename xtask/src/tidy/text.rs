//! Rules for every text: no mark of unfinished work, no path of somebody's machine, no host of a package registry.

use super::{Complaint, Tree};

/// Marks of unfinished work. Put together from halves, so that this file passes its own rule.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ign", "ore]"),
];

/// Beginnings of paths that mean one machine only.
const MACHINES: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];

/// Registries are the business of whoever builds: a mirror must do as well.
const REGISTRIES: [&str; 6] = [
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("pypi", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("rubygems", ".org"),
];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    // The lock file is cargo's own, the licence its authors'.
    for (path, text) in tree.texts().filter(|(path, _)| !["Cargo.lock", "LICENSE"].contains(path)) {
        for (n, line) in text.lines().enumerate() {
            let mut complain = |rule, what: &str| {
                found.push(Complaint::new(rule, path, format!("line {}: {what}", n + 1)));
            };
            if let Some(mark) = MARKS.iter().find(|mark| has_word(line, mark)) {
                complain(
                    "unfinished",
                    &format!("«{mark}»: finish it, or say in words what is not there yet"),
                );
            }
            if let Some(start) = MACHINES.iter().find(|start| has_path(line, start)) {
                complain("machine", &format!("«{start}»: a path of one machine"));
            }
            if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
                complain("registry", &format!("«{host}»: whoever builds chooses the registry"));
            }
        }
    }
    found
}

/// Does `word` stand in `line` with no letter or digit directly beside it?
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let own_end = word.ends_with(|c: char| !c.is_alphanumeric());
        !before.is_some_and(char::is_alphanumeric)
            && (own_end || !after.is_some_and(char::is_alphanumeric))
    })
}

/// Does a path that starts so stand in `line`, not merely one that has such a folder further down?
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}$~>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[("a.md", text)])).into_iter().map(|complaint| complaint.rule).collect()
    }

    #[test]
    fn breaches_are_found_and_likenesses_are_not() {
        assert_eq!(rules(concat!("// TO", "DO: later")), ["unfinished"]);
        assert_eq!(rules(concat!("see /ho", "me/ann/x")), ["machine"]);
        assert_eq!(rules(concat!("https://crates", ".io/x")), ["registry"]);
        assert!(rules("a todo list, $HOME/work, the folder target/work/x, MASTODON").is_empty());
    }
}
