//! Tells when a file of the folder is another one than before. What `.gitignore` names does not count, nor what tools
//! keep for themselves; so a build that writes into its own folder does not build again.

use crate::failure::{Failure, Verdict};
use ignore::WalkBuilder;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// Editors write several files, and one file in several steps: so long it must be quiet.
const QUIET: Duration = Duration::from_millis(100);
/// Where nothing tells of changes, as on some network's disks, the folder is looked at so often.
const LOOK: Duration = Duration::from_secs(2);
/// Folders that are a tool's own, whether or not somebody ignores them.
const TOOLS: [&str; 9] = [
    ".git",
    "target",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".gradle",
    ".idea",
    ".pytest_cache",
];

/// What tools write down themselves when they first build: that one of these appears is no change of anybody's.
const LOCKS: [&str; 8] = [
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "Cargo.lock",
    "go.sum",
    "uv.lock",
    "poetry.lock",
    "gradle.lockfile",
];

/// What a file is told by: its length and when it was written.
type Sight = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

pub(super) struct Watch {
    dir: PathBuf,
    seen: Sight,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    told: mpsc::Receiver<()>,
}

impl Watch {
    pub(super) fn new(dir: &Path) -> Verdict<Self> {
        let (sender, told) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |_| {
            // One that waits to be taken says it all.
            let _ = sender.try_send(());
        });
        let watcher = watcher.map_err(|error| {
            Failure::new("dev/watch", format!("{} can't be watched: {error}", dir.display()))
        })?;
        let mut watch =
            Self { dir: dir.into(), seen: Sight::new(), watcher, watched: BTreeSet::new(), told };
        watch.seen = watch.look();
        Ok(watch)
    }

    /// Watches beside everything else; told once for whatever changed since the last time.
    pub(super) fn tell(mut self) -> mpsc::Receiver<()> {
        let (sender, told) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                self.changed().await;
                if matches!(sender.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
                    return;
                }
            }
        });
        told
    }

    /// Returns when a file changed since the last time, and it is quiet.
    async fn changed(&mut self) {
        loop {
            // By news, or by looking now and then where there is none.
            let _ = tokio::time::timeout(LOOK, self.told.recv()).await;
            while tokio::time::timeout(QUIET, self.told.recv()).await.is_ok() {}
            let now = self.look();
            let appeared = |path: &&PathBuf| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                LOCKS.contains(&name) && !self.seen.contains_key(*path)
            };
            let news: Vec<PathBuf> = now.keys().filter(appeared).cloned().collect();
            for path in news {
                self.seen.insert(path.clone(), now[&path]);
            }
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// All files that count; their folders are watched from here on.
    fn look(&mut self) -> Sight {
        let mut sight = Sight::new();
        let walk = WalkBuilder::new(&self.dir)
            .hidden(false)
            .require_git(false)
            .add_custom_ignore_filename(".towignore")
            .filter_entry(|entry| {
                let name = entry.file_name().to_str().unwrap_or_default();
                entry.depth() == 0 || !TOOLS.contains(&name)
            })
            .build();
        let mut folders = BTreeSet::new();
        for entry in walk.filter_map(Result::ok) {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.insert(entry.into_path());
            } else {
                sight.insert(entry.into_path(), (meta.len(), meta.modified().ok()));
            }
        }
        for gone in self.watched.difference(&folders) {
            let _ = self.watcher.unwatch(gone);
        }
        for new in folders.difference(&self.watched) {
            // One that can't be watched is looked at now and then.
            let _ = self.watcher.watch(new, RecursiveMode::NonRecursive);
        }
        self.watched = folders;
        sight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_ignored_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".gitignore", "*.log\nout/\n");
        write("src/main.rs", "one");
        let Ok(mut watch) = Watch::new(dir.path()) else { panic!("it can't be watched") };
        write("a.log", "x");
        write("out/program", "x");
        write("target/debug/x", "x");
        write("node_modules/y/z", "x");
        // A tool's own, at its first build; afterwards it is a file like any other.
        write("package-lock.json", "{}");
        let nothing = tokio::time::timeout(Duration::from_millis(2500), watch.changed()).await;
        assert!(nothing.is_err(), "ignored, and still told");
        write("src/main.rs", "another");
        watch.changed().await;
        write("package-lock.json", "{ }");
        watch.changed().await;
        write("new/folder/file", "x");
        watch.changed().await;
        write("new/folder/file", "xy");
        watch.changed().await;
        std::fs::remove_file(dir.path().join("src/main.rs")).unwrap();
        watch.changed().await;
    }
}
