//! The examples hold: every one is valid, each kind has one, and what is said twice is said the same.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::path::PathBuf;
use std::process::Command;

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

#[test]
fn every_example_is_valid() {
    let done = Command::new(env!("CARGO_BIN_EXE_tow")).arg("validate").arg(examples()).output();
    let done = done.unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}\n{text}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn each_kind_has_an_example() {
    for kind in ["environment", "runtime", "delivery", "component", "system", "group", "user"] {
        let text = std::fs::read_to_string(examples().join(format!("{kind}.yaml"))).unwrap();
        let named = text.lines().any(|line| {
            line.strip_prefix("kind: ").is_some_and(|said| said.eq_ignore_ascii_case(kind))
        });
        assert!(named, "{kind}.yaml is of another kind");
    }
}

/// The organisation declares the components before anybody deploys them; deploying applies the folder's own file. Two
/// texts would take turns in overwriting each other.
#[test]
fn components_are_declared_the_same_in_both_places() {
    let together =
        std::fs::read_to_string(examples().join("organisation/components.yaml")).unwrap();
    let documents: Vec<&str> = together.split("---\n").collect();
    let mut folders = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let file = entry.unwrap().path().join("catalog-info.yaml");
        let Ok(own) = std::fs::read_to_string(&file) else { continue };
        folders += 1;
        assert!(documents.contains(&own.as_str()), "{} differs", file.display());
    }
    assert_eq!(folders, documents.len());
}
