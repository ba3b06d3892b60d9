//! What a component's builds leave for the next one: sources with their times, what tools compiled and downloaded, a home.
//!
//! Kept apart by component and folder, so that nobody's build can put anything into somebody else's; a lock lets builds of
//! one component take turns.

use crate::order::Order;
use crate::tree;
use std::fs::File;
use std::path::{Path, PathBuf};
use tow_names::Digest;

/// How many components keep what earlier builds left.
const KEPT: usize = 24;
/// Beside a slot's folder, and never taken away: whoever holds it has the folder to itself. Its time is that of the last
/// build.
const LOCK: &str = ".lock";

/// A component's, held until it is dropped.
pub(crate) struct Slot {
    dir: PathBuf,
    lock: PathBuf,
    _turn: File,
}

impl Slot {
    /// Waits for the slot of an order. What has grown too large is cleared first.
    pub(crate) fn take(order: &Order, say: &dyn Fn(&str)) -> Result<Self, String> {
        let all = order.cache.join("builds");
        let key = key(order);
        let dir = all.join(&key);
        let failed = |error: std::io::Error| format!("cannot use {}: {error}", dir.display());
        std::fs::create_dir_all(&all).map_err(failed)?;
        let lock = all.join(format!("{key}{LOCK}"));
        let turn = File::create(&lock).map_err(failed)?;
        if turn.try_lock().is_err() {
            say("another build of this component is running; waiting for it");
            turn.lock().map_err(failed)?;
        }
        forget(&all);
        if tree::size(&dir) > order.limits.work / 2 {
            say("what earlier builds left has grown too large; it is cleared");
            tree::clear(&dir).map_err(failed)?;
        }
        std::fs::create_dir_all(&dir).map_err(failed)?;
        Ok(Self { dir, lock, _turn: turn })
    }

    /// All of it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is locked while it is held.
    pub(crate) fn lock(&self) -> &Path {
        &self.lock
    }

    /// The home of the tools.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// The source as it is built.
    pub(crate) fn source(&self) -> PathBuf {
        self.dir.join("source")
    }

    /// A folder for what one tool keeps.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Whose it is and which folder; a source of nobody's shares with nothing.
fn key(order: &Order) -> String {
    let whose = match &order.spec.component {
        Some(component) => component.to_string(),
        None => order.spec.source.to_string(),
    };
    let parts = serde_json::json!([2, whose, order.spec.dir]);
    Digest::of(parts.to_string().as_bytes()).hex()[..20].into()
}

/// Clears the folders of components that were not built for longest, where nobody builds them just now.
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

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::{Duration, EntityRef, Id, Namespace, Timestamp};
    use tow_record::BuildSpec;

    #[test]
    fn only_the_latest_are_kept_and_none_that_is_built() {
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
    fn components_have_their_own() {
        let namespace = Namespace::new("default").unwrap();
        let of = |source: &str, component: Option<&str>, dir: &str| {
            key(&Order {
                id: Id::fresh("b"),
                spec: BuildSpec {
                    dir: dir.into(),
                    component: component
                        .map(|name| EntityRef::parse(name, Some("component"), &namespace).unwrap()),
                    ..BuildSpec::new(Digest::of(source.as_bytes()), Duration::from_secs(1))
                },
                source: PathBuf::new(),
                cache: PathBuf::new(),
                limits: crate::Limits::default(),
                accepted_at: Timestamp(1),
            })
        };
        assert_eq!(of("1", Some("web"), ""), of("2", Some("web"), ""));
        assert_ne!(of("1", Some("web"), ""), of("1", Some("api"), ""));
        assert_ne!(of("1", Some("web"), ""), of("1", Some("web"), "x"));
        assert_ne!(of("1", None, ""), of("2", None, ""), "nobody's poisons nobody's");
    }
}
