//! Rust: `cargo build --release`, and which of its programs runs. What was compiled stays with the component, so that the
//! next build compiles only what changed.

use crate::yard::{Output, Yard};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) fn build(yard: &Yard<'_>) -> Result<Output, String> {
    let text = std::fs::read_to_string(yard.folder.join("Cargo.toml"))
        .map_err(|error| format!("cannot read Cargo.toml: {error}"))?;
    let manifest: toml::Table =
        text.parse().map_err(|error| format!("Cargo.toml is not valid:\n{error}"))?;
    let cargo = yard.find("cargo")?;
    let target = yard.slot.kept("target").display().to_string();
    // No path of this machine in what is made, so that it is the same wherever it is made.
    let remap = format!(
        "build.rustflags=[\"--remap-path-prefix={}=/source\",\"--remap-path-prefix={}=/cargo\"]",
        yard.root.display(),
        yard.slot.home().join(".cargo").display()
    );
    let mut args = vec!["build", "--release"];
    if locked(&yard.root, &yard.folder) {
        args.push("--locked");
    }
    args.extend(["--config", &remap, "--message-format=json-render-diagnostics"]);
    let mut made: BTreeMap<String, PathBuf> = BTreeMap::new();
    yard.run_with(
        &cargo,
        &args,
        &[("CARGO_TARGET_DIR", &target)],
        Some(&mut |line| match program(line) {
            Some((name, path)) => {
                made.insert(name, path);
            }
            // Build scripts and cargo itself may say something that is no message.
            None if !line.starts_with('{') => (yard.say)(line),
            None => {}
        }),
    )?;
    if made.is_empty() {
        return Err(
            "cargo built no program: a library can't be run; add a src/main.rs or a [[bin]]".into(),
        );
    }
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    let entry: Vec<String> =
        main(&manifest, &names).map(|name| format!("./{name}")).into_iter().collect();
    if entry.is_empty() {
        (yard.say)(&format!(
            "several programs, none of them the package's default-run: {}; each container names its own as command",
            names.join(", ")
        ));
    }
    let mut items = yard.output()?;
    items.extend(made);
    Ok(Output { items, entry, is_static: false })
}

/// Is there a Cargo.lock in the folder or above it?
fn locked(source: &Path, folder: &Path) -> bool {
    folder
        .ancestors()
        .take_while(|above| above.starts_with(source))
        .any(|above| above.join("Cargo.lock").is_file())
}

/// The program that a message of `--message-format=json` tells of. Source: the Cargo book, "External tools".
fn program(line: &str) -> Option<(String, PathBuf)> {
    #[derive(serde::Deserialize)]
    struct Message {
        reason: String,
        target: Option<Target>,
        executable: Option<PathBuf>,
    }
    #[derive(serde::Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    let target = message.target?;
    (message.reason == "compiler-artifact" && target.kind.iter().any(|kind| kind == "bin"))
        .then(|| Some((target.name, message.executable?)))?
}

/// The only one, else `default-run`, else the package's namesake.
fn main<'a>(manifest: &toml::Table, names: &[&'a str]) -> Option<&'a str> {
    if let [only] = names {
        return Some(only);
    }
    let said = |key: &str| manifest.get("package")?.get(key)?.as_str();
    let wanted = said("default-run").or_else(|| said("name"))?;
    names.iter().find(|name| **name == wanted).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_runs() {
        let of = |manifest: &str, names: &[&str]| {
            main(&manifest.parse().unwrap(), names).map(ToString::to_string)
        };
        assert_eq!(of("[package]\nname = 'a'", &["z"]).as_deref(), Some("z"));
        assert_eq!(of("[package]\nname = 'a'", &["a", "z"]).as_deref(), Some("a"));
        assert_eq!(
            of("[package]\nname = 'a'\ndefault-run = 'z'", &["a", "z"]).as_deref(),
            Some("z")
        );
        assert_eq!(of("[workspace]\nmembers = ['a', 'z']", &["a", "z"]), None);
    }

    #[test]
    fn messages_tell_of_programs_only() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"a","kind":["bin"]},"executable":"/t/a"}"#;
        assert_eq!(program(line), Some(("a".into(), "/t/a".into())));
        assert_eq!(program(&line.replace("\"bin\"", "\"lib\"")), None);
        assert_eq!(program(&line.replace("\"/t/a\"", "null")), None);
        assert_eq!(program("hello"), None);
    }
}
