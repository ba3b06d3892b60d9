//! Copies of `tow` in the data directory: each build that ran left one, as what it started may still run from it. Those
//! that nothing runs from, and nothing names that may be started again, only take space.

use super::finding::{Finding, Mend};
use super::scene::{Scene, bytes};
use crate::data::holder;
use crate::executable;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is younger may be about to be run.
const YOUNG: Duration = Duration::from_secs(600);
/// No file that says what is to be started is longer.
const LONGEST: u64 = 1 << 20;

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let check = "copies";
    let layout = &scene.layout;
    let all = copies(&layout.bin());
    if all.is_empty() {
        return Vec::new();
    }
    // In the midst of an upgrade, or where it can't be told what runs, all are somebody's.
    let upgrading = holder(&layout.run().join("upgrade.lock")).is_some();
    let used = if upgrading || !cfg!(target_os = "linux") { None } else { used(scene) };
    let weight = all.iter().map(|copy| copy.size).sum();
    let mut found = Vec::new();
    let said = format!("{} of tow in {}", bytes(weight), layout.bin().display());
    found.push(Finding::ok(check, said));
    for copy in all {
        if copy.old && used.as_ref().is_some_and(|used| !used.contains(&copy.name)) {
            let seen = format!("{} ({}) is a build that nothing runs", copy.name, bytes(copy.size));
            found.push(
                Finding::warn(check, seen)
                    .cause("an upgrade left it; it takes space")
                    .fix("tow doctor --fix takes it away")
                    .mend(Mend::File(copy.path)),
            );
        }
    }
    found
}

struct Build {
    name: String,
    path: PathBuf,
    size: u64,
    old: bool,
}

fn copies(bin: &Path) -> Vec<Build> {
    let entries = std::fs::read_dir(bin).into_iter().flatten().flatten();
    let copy = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let old = meta.modified().ok()?.elapsed().is_ok_and(|past| past > YOUNG);
        let is_copy = executable::is_build(&name);
        is_copy.then(|| Build { name, path: entry.path(), size: meta.len(), old })
    };
    entries.filter_map(copy).collect()
}

/// The builds that processes run from, or that somebody is to be started from; none where that can't be told.
fn used(scene: &Scene) -> Option<BTreeSet<String>> {
    let layout = &scene.layout;
    let mut texts: Vec<String> = scene.processes.iter().flat_map(|one| one.argv.clone()).collect();
    for process in &scene.processes {
        let exe = std::fs::read_link(format!("/proc/{}/exe", process.pid));
        texts.extend(exe.map(|exe| exe.display().to_string()));
    }
    texts.extend(scene.file.as_ref().and_then(|file| file.build.clone()));
    texts.extend(executable::name(layout));
    for dir in [layout.instances(), layout.builds(), layout.containers()] {
        texts.extend(written(&dir)?);
    }
    Some(texts.iter().flat_map(|text| builds(text)).collect())
}

/// What the folders below one say of what is to be started; none where it can't be read.
fn written(dir: &Path) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for folder in listed(dir)? {
        for file in listed(&folder)? {
            let says = file.extension().is_some_and(|end| end == "json" || end == "jsonl");
            let Ok(meta) = file.metadata() else { continue };
            if !says || !meta.is_file() {
                continue;
            }
            if meta.len() > LONGEST {
                return None;
            }
            match std::fs::read_to_string(&file) {
                Ok(text) => texts.push(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        }
    }
    Some(texts)
}

/// What is in a folder; nothing where it is gone or is none.
fn listed(dir: &Path) -> Option<Vec<PathBuf>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.ok().map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Some(Vec::new()),
        Err(_) => None,
    }
}

/// The builds that a text names.
fn builds(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| executable::is_build(word)).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_found_wherever_it_is_named() {
        let of = |text: &str| builds(text).collect::<Vec<_>>();
        let one = "tow-dfc61d8-6b03be85-139adeee";
        assert_eq!(of(&format!(r#"{{"program":"/d/bin/{one}","args":["gateway"]}}"#)), [one]);
        assert_eq!(of(&format!("/d/bin/{one} (deleted)")), [one]);
        assert!(of("tow-1 tow-a-b tow-x-1-2 mytow-1-2-3 tow").is_empty());
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("i-1/log")).unwrap();
        std::fs::write(dir.path().join("stray"), "").unwrap();
        std::fs::write(dir.path().join("i-1/spec.json"), one).unwrap();
        std::fs::write(dir.path().join("i-1/other"), "tow-1-2-3").unwrap();
        assert_eq!(written(dir.path()), Some(vec![one.to_string()]));
        assert_eq!(written(&dir.path().join("gone")), Some(Vec::new()));
        // What says too much to be read may name any.
        let long = "x".repeat(LONGEST as usize + 1);
        std::fs::write(dir.path().join("i-1/state.json"), long).unwrap();
        assert_eq!(written(dir.path()), None);
    }
}
