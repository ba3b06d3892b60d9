//! The served table on disk, so that a gateway that starts again serves at once what it served before.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tow_record::RouteSet;

const CURRENT: &str = "routes.json";
const PREVIOUS: &str = "routes.prev.json";
const NEXT: &str = "routes.json.tmp";

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// As it was given.
    pub(crate) set: RouteSet,
    /// By route id: where it was listened.
    pub(crate) ports: BTreeMap<String, u16>,
}

/// The folder that keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Keep(PathBuf);

impl Keep {
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.to_path_buf())
    }

    /// What was kept last and can be read; nothing where nothing can. The second: what is to be told about it.
    pub(crate) fn load(&self) -> (Kept, Vec<String>) {
        let mut notes = Vec::new();
        for name in [CURRENT, PREVIOUS] {
            let path = self.0.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(kept) => return (kept, notes),
                    Err(error) => notes.push(format!("{} is damaged: {error}", path.display())),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => notes.push(format!("cannot read {}: {error}", path.display())),
            }
        }
        (Kept::default(), notes)
    }

    /// Keeps it; on return it outlives a loss of power. Killed between any two lines, [`Keep::load`] finds the new one
    /// or the one before. A damaged file never takes the place of the last good one.
    pub(crate) fn store(&self, kept: &Kept) -> std::io::Result<()> {
        let next = self.0.join(NEXT);
        let current = self.0.join(CURRENT);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        let good = std::fs::read(&current)
            .is_ok_and(|bytes| serde_json::from_slice::<Kept>(&bytes).is_ok());
        if good {
            std::fs::rename(&current, self.0.join(PREVIOUS))?;
        }
        std::fs::rename(&next, &current)?;
        File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(revision: i64) -> Kept {
        Kept {
            set: RouteSet { epoch: 1, revision, routes: vec![] },
            ports: BTreeMap::from([("a".into(), revision as u16)]),
        }
    }

    #[test]
    fn the_last_good_one_is_found_wherever_writing_ended() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        assert_eq!(keep.load(), (Kept::default(), vec![]));
        keep.store(&kept(1)).unwrap();
        keep.store(&kept(2)).unwrap();
        assert_eq!(keep.load().0, kept(2));

        std::fs::write(dir.path().join(NEXT), b"{\"se").unwrap();
        assert_eq!(keep.load().0, kept(2));

        std::fs::write(dir.path().join(CURRENT), b"{\"set\":").unwrap();
        let (found, notes) = keep.load();
        assert_eq!((found, notes.len()), (kept(1), 1));

        keep.store(&kept(3)).unwrap();
        std::fs::write(dir.path().join(CURRENT), b"").unwrap();
        assert_eq!(keep.load().0, kept(1), "the damaged file did not become the previous one");

        std::fs::remove_file(dir.path().join(CURRENT)).unwrap();
        std::fs::write(dir.path().join(PREVIOUS), b"\0\0").unwrap();
        let (found, notes) = keep.load();
        assert_eq!((found, notes.len()), (Kept::default(), 1));
    }
}
