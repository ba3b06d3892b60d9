//! Rust: `cargo build --release`, and which of its programs runs.
//!
//! Sources and target folder live in the cache under what the manifest calls itself, so that the next build of the
//! same package compiles only what changed; a lock lets builds of it take turns.

use crate::archive::{self, Items};
use crate::{child, environment, order::Order, tree};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use tow_names::Digest;

/// How many packages keep what earlier builds left.
const KEPT: usize = 24;
/// Beside a package's folder, and never taken away: whoever holds it has the folder to itself. Its time is that of the
/// last build.
const LOCK: &str = ".lock";

/// What cargo made.
pub(crate) struct Programs {
    /// By path in the artifact.
    pub(crate) items: Items,
    /// The one that runs where the container gives no command; empty where that is not clear.
    pub(crate) entry: Vec<String>,
    /// Held until the items are packed: the next build of the package replaces them.
    pub(crate) _turn: File,
}

/// Builds the unpacked source in `work`. `say` writes to the build's log.
pub(crate) fn build(order: &Order, work: &Path, say: &dyn Fn(&str)) -> Result<Programs, String> {
    let text = std::fs::read_to_string(work.join(&order.spec.dir).join("Cargo.toml"))
        .map_err(|error| format!("cannot read Cargo.toml: {error}"))?;
    let manifest: toml::Table =
        text.parse().map_err(|error| format!("Cargo.toml is not valid:\n{error}"))?;
    let cargo = find()?;

    let all = order.cache.join("cargo");
    let key = key(&order.spec.dir, &manifest);
    let cache = all.join(&key);
    let failed = |error: std::io::Error| format!("cannot use {}: {error}", cache.display());
    std::fs::create_dir_all(&cache).map_err(failed)?;
    let turn = File::create(all.join(format!("{key}{LOCK}"))).map_err(failed)?;
    if turn.try_lock().is_err() {
        say("another build of this package is running; waiting for it");
        turn.lock().map_err(failed)?;
        std::fs::create_dir_all(&cache).map_err(failed)?;
    }
    forget(&all);
    let (source, target) = (cache.join("source"), cache.join("target"));
    if tree::size(&target) > order.limits.work / 2 {
        say("what earlier builds left has grown too large; it is cleared");
        tree::clear(&target).map_err(failed)?;
    }
    tree::mirror(work, &source).map_err(failed)?;

    let folder = source.join(&order.spec.dir);
    let mut args = vec!["build".to_string(), "--release".into()];
    if locked(&source, &folder) {
        args.push("--locked".into());
    }
    args.push("--message-format=json-render-diagnostics".into());
    say(&format!("$ cargo {}", args[..args.len() - 1].join(" ")));
    let mut made: BTreeMap<String, PathBuf> = BTreeMap::new();
    let job = child::Job {
        name: "cargo build",
        program: &cargo,
        args,
        folder: &folder,
        env: [("CARGO_TARGET_DIR".to_string(), target.display().to_string())].into(),
        watched: vec![source.clone(), target.clone()],
        limit: order.limits.work,
    };
    child::run(
        job,
        Some(&mut |line| match program(line) {
            Some((name, path)) => {
                made.insert(name, path);
            }
            // Build scripts and cargo itself may say something that is no message.
            None if !line.starts_with('{') => say(line),
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
        say(&format!(
            "several programs, none of them the package's default-run: {}; each container names its own as command",
            names.join(", ")
        ));
    }
    let mut items = Items::new();
    if let Some(output) = &order.spec.output {
        let keep = archive::inside(Path::new(output)).unwrap_or_default();
        let prefix = match keep.to_string_lossy() {
            name if name.is_empty() => String::new(),
            name => format!("{name}/"),
        };
        items = archive::items(&folder.join(&keep), &prefix)?;
    }
    items.extend(made);
    Ok(Programs { items, entry, _turn: turn })
}

fn find() -> Result<PathBuf, String> {
    let mut environment = environment::own();
    let mut more: Vec<PathBuf> = Vec::new();
    more.extend(environment.remove("CARGO_HOME").map(|home| PathBuf::from(home).join("bin")));
    more.extend(environment.remove("HOME").map(|home| PathBuf::from(home).join(".cargo/bin")));
    child::find("cargo", &more).ok_or_else(|| {
        "cargo is not on PATH: install Rust (https://rustup.rs) on the machine that runs the platform, or build \
         another way with build.command in tow.yaml"
            .into()
    })
}

/// Names the package, or the members of a workspace without one, and the folder: the same for each version of it.
fn key(dir: &str, manifest: &toml::Table) -> String {
    let package = manifest.get("package").and_then(|package| package.get("name"));
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let named = package.or(members).map(ToString::to_string).unwrap_or_default();
    Digest::of(serde_json::json!([1, dir, named]).to_string().as_bytes()).hex()[..20].into()
}

/// Clears the folders of packages that were not built for longest, where nobody builds them just now.
fn forget(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    let mut locks: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let folder = all.join(entry.file_name().to_str()?.strip_suffix(LOCK)?);
            let built = entry.metadata().ok()?.modified().ok()?;
            folder.exists().then(|| (built, entry.path(), folder))
        })
        .collect();
    locks.sort();
    let spare = locks.len().saturating_sub(KEPT);
    for (_, lock, folder) in locks.into_iter().take(spare) {
        if let Ok(lock) = File::open(lock)
            && lock.try_lock().is_ok()
        {
            // What can't be cleared now is found again by the next build.
            let _ = tree::clear(&folder);
        }
    }
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

    #[test]
    fn only_the_latest_packages_are_kept_and_none_that_is_built() {
        let dir = tempfile::tempdir().unwrap();
        let start = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let mut locks = Vec::new();
        for n in 0..KEPT as u64 + 2 {
            std::fs::create_dir(dir.path().join(format!("p{n}"))).unwrap();
            let lock = File::create(dir.path().join(format!("p{n}{LOCK}"))).unwrap();
            lock.set_modified(start + std::time::Duration::from_secs(n)).unwrap();
            locks.push(lock);
        }
        locks[0].lock().unwrap();
        forget(dir.path());
        let there = |n: u64| dir.path().join(format!("p{n}")).exists();
        assert!(there(0), "it is being built");
        assert!(!there(1), "it was built longest ago");
        assert!((2..KEPT as u64 + 2).all(there));
    }

    #[test]
    fn packages_have_their_own_caches() {
        let key = |dir: &str, text: &str| key(dir, &text.parse().unwrap());
        let a = key("", "[package]\nname = 'a'\nversion = '1'");
        assert_eq!(a, key("", "[package]\nname = 'a'\nversion = '2'"));
        assert_ne!(a, key("", "[package]\nname = 'b'"));
        assert_ne!(a, key("x", "[package]\nname = 'a'"));
    }
}
