//! Rules for the house: every Rust file says what room it is, is short, is compiled, and has a name that says what
//! belongs in it; every crate takes the workspace's lints; every kind has its stem in every room for readers.

use super::{Complaint, Tree};

/// At so many lines a file is asked about.
pub(super) const ASK: usize = 400;
/// At so many it is split.
const SPLIT: usize = 800;

/// Names that no line of code can know it belongs to.
const NO_ROOM: [&str; 11] = [
    "common", "core", "helper", "helpers", "manager", "managers", "misc", "shared", "util",
    "utils", "stuff",
];

const KINDS: &str = "crates/language/model/src/kinds/";

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        if !text.starts_with("//!") {
            found.push(Complaint::new(
                "room",
                path,
                "open with //!: what this room is, and what it may not do",
            ));
        }
        let lines = text.lines().count();
        if lines > SPLIT {
            found.push(Complaint::new("long", path, format!("{lines} lines: split it at {SPLIT}")));
        }
        if let Some(name) = path.trim_end_matches(".rs").split('/').find(|n| NO_ROOM.contains(n)) {
            found.push(Complaint::new(
                "name",
                path,
                format!("«{name}» says nothing of what belongs here"),
            ));
        }
        if let Some(parents) = parents(tree, path) {
            let line = format!("mod {};", stem(path));
            let declared =
                |parent: &str| tree.rust().any(|(p, t)| p == parent && t.contains(&line));
            if !parents.iter().any(|parent| declared(parent)) {
                let what = format!("nobody above it says `{line}`, so it is never compiled");
                found.push(Complaint::new("forgotten", path, what));
            }
        }
    }
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        if text.contains("[package]")
            && !text.contains("[lints]\nworkspace = true")
            && is_ours(path)
        {
            found.push(Complaint::new("lints", path, "say [lints] workspace = true"));
        }
    }
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(KINDS)) {
        let kind = stem(path);
        if !declares(text, kind) {
            continue;
        }
        let kind = kind.replace('_', "-");
        for wanted in [format!("docs/concepts/{kind}.md"), format!("examples/{kind}.yaml")] {
            if !tree.has(&wanted) {
                let what = format!("the kind {kind} has no such file");
                found.push(Complaint::new("stem", &wanted, what));
            }
        }
    }
    found
}

/// Files over [`ASK`] lines, the longest first.
pub(super) fn long(tree: &Tree) -> Vec<String> {
    let mut long: Vec<(usize, &str)> = tree
        .rust()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > ASK)
        .collect();
    long.sort_by(|a, b| b.cmp(a));
    long.into_iter().map(|(lines, path)| format!("{path} ({lines})")).collect()
}

/// The module's name: the file's, or its folder's where it is a `mod.rs`.
fn stem(path: &str) -> &str {
    let path = path.trim_end_matches(".rs");
    path.trim_end_matches("/mod").rsplit('/').next().unwrap_or(path)
}

/// Does the file declare a kind: `pub struct ThingSpec`, or `pub struct Thing` where the spec is the document?
fn declares(text: &str, kind: &str) -> bool {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let name: String = kind.split('_').filter(|part| !part.is_empty()).map(word).collect();
    text.contains(&format!("pub struct {name}Spec {{"))
        || text.contains(&format!("pub struct {name} {{"))
}

/// A crate of the workspace, not a sample in `examples/`.
fn is_ours(path: &str) -> bool {
    !path.starts_with("examples/")
}

/// Folders whose files are programs: cargo finds them by itself.
const PROGRAMS: [&str; 4] = ["bin", "examples", "benches", "tests"];

/// Where a module may be declared to be compiled; none for files that cargo finds by itself.
fn parents(tree: &Tree, path: &str) -> Option<Vec<String>> {
    let holds_programs = |dir: &str| PROGRAMS.contains(&dir.rsplit('/').next().unwrap_or(dir));
    let (dir, file) = path.rsplit_once('/')?;
    let is_root = ["main.rs", "lib.rs", "build.rs"].contains(&file);
    if is_root || !is_ours(path) || (file != "mod.rs" && holds_programs(dir)) {
        return None;
    }
    // `a/b/mod.rs` is the module b, declared where `a/b.rs` would be.
    let dir = if file == "mod.rs" { dir.rsplit_once('/')?.0 } else { dir };
    if holds_programs(dir) {
        let beside = |other: &str| other.rsplit_once('/').is_some_and(|(folder, _)| folder == dir);
        return Some(tree.rust().map(|(p, _)| p.to_string()).filter(|p| beside(p)).collect());
    }
    let beside = ["lib.rs", "main.rs", "mod.rs"].map(|name| format!("{dir}/{name}"));
    Some(beside.into_iter().chain([format!("{dir}.rs")]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<&'static str> {
        check(&Tree::of(files)).into_iter().map(|complaint| complaint.rule).collect()
    }

    #[test]
    fn a_tidy_house_has_no_complaints() {
        assert!(
            rules(&[
                ("crates/a/src/lib.rs", "//! A.\nmod b;\npub mod c;\n"),
                ("crates/a/src/b.rs", "//! B.\n"),
                ("crates/a/src/c/mod.rs", "//! C.\nmod d;\n"),
                ("crates/a/src/c/d.rs", "//! D.\n"),
                ("crates/a/tests/it/main.rs", "//! Tests.\n"),
                ("crates/a/tests/x.rs", "//! Tests.\nmod world;\n"),
                ("crates/a/tests/world/mod.rs", "//! Their world.\n"),
                ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"),
            ])
            .is_empty()
        );
    }

    #[test]
    fn each_rule_finds_its_breach() {
        assert_eq!(rules(&[("crates/a/src/lib.rs", "use b;\n")]), ["room"]);
        let long = format!("//! A.\n{}", "\n".repeat(SPLIT));
        assert_eq!(rules(&[("crates/a/src/lib.rs", &long)]), ["long"]);
        assert_eq!(rules(&[("crates/utils/src/lib.rs", "//! A.\n")]), ["name"]);
        let files = [("a/tests/it/main.rs", "//! A.\n"), ("a/tests/it/b.rs", "//! B.\n")];
        assert_eq!(rules(&files), ["forgotten"]);
        assert_eq!(rules(&[("crates/a/Cargo.toml", "[package]\n")]), ["lints"]);
        let kind = format!("{KINDS}thing.rs");
        let files = [
            (kind.as_str(), "//! T.\npub struct ThingSpec {}\n"),
            ("crates/language/model/src/kinds/mod.rs", "//! K.\nmod thing;\n"),
            ("crates/language/model/src/lib.rs", "//! M.\nmod kinds;\n"),
        ];
        assert_eq!(rules(&files), ["stem", "stem"]);
    }
}
