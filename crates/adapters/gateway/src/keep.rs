//! The served table on disk, so that a gateway that starts again serves at once what it served before: a snapshot, and
//! after it a line for each change. The snapshot before, with the lines that led from it to this one, is the fallback.

use crate::change::Change;
use crate::target::lock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tow_record::{Route, RouteSet};

const CURRENT: &str = "routes.json";
const PREVIOUS: &str = "routes.prev.json";
const NEXT: &str = "routes.json.tmp";
/// What changed since the snapshot.
const CHANGES: &str = "routes.changes";
/// What changed between the snapshot before and this one.
const PREVIOUS_CHANGES: &str = "routes.prev.changes";
/// After so many changes a snapshot is due,
const CHANGES_MOST: usize = 1_000;
/// or after so many bytes of them.
const CHANGES_SIZE: u64 = 16 * 1024 * 1024;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// As it was given.
    pub(crate) set: RouteSet,
    /// By route id: where it was listened.
    pub(crate) ports: BTreeMap<String, u16>,
}

/// A line of changes.
#[derive(Serialize, Deserialize)]
struct Step {
    change: Change,
    /// Of the routes that were put.
    ports: BTreeMap<String, u16>,
}

/// The folder that keeps it.
#[derive(Clone)]
pub(crate) struct Keep {
    dir: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The snapshot that is known to be good, by what its file looks like.
    good: Option<Looks>,
    lines: usize,
    bytes: u64,
    /// What was appended last may be torn: nothing may be appended to it.
    torn: bool,
}

type Looks = (u64, u64, i64, i64);

fn looks(path: &Path) -> Option<Looks> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

impl Keep {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), state: Arc::default() }
    }

    /// What its files look like: the same as before where nothing was kept meanwhile.
    pub(crate) fn looks(&self) -> impl PartialEq {
        [CURRENT, CHANGES].map(|name| looks(&self.dir.join(name)))
    }

    /// What was kept last and can be read; nothing where nothing can. The second: what is to be told about it.
    pub(crate) fn load(&self) -> (Kept, Vec<String>) {
        let mut notes = Vec::new();
        for name in [CURRENT, PREVIOUS] {
            let path = self.dir.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => match serde_json::from_slice::<Kept>(&bytes) {
                    Ok(kept) => {
                        if name == CURRENT {
                            lock(&self.state).good = looks(&path);
                        }
                        return (self.changed(kept, &mut notes), notes);
                    }
                    Err(error) => notes.push(format!("{} is damaged: {error}", path.display())),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => notes.push(format!("cannot read {}: {error}", path.display())),
            }
        }
        (Kept::default(), notes)
    }

    /// With all changes that go on from it.
    fn changed(&self, kept: Kept, notes: &mut Vec<String>) -> Kept {
        let Kept { set, mut ports } = kept;
        let mut mark = (set.epoch, set.revision);
        let mut routes: BTreeMap<String, Route> =
            set.routes.into_iter().map(|route| (route.id.clone(), route)).collect();
        let mut state = lock(&self.state);
        for name in [PREVIOUS_CHANGES, CHANGES] {
            let path = self.dir.join(name);
            let mut text = Vec::new();
            match File::open(&path).and_then(|mut file| file.read_to_end(&mut text)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => notes.push(format!("cannot read {}: {error}", path.display())),
            }
            if name == CHANGES {
                // What is appended after a torn line would be part of it.
                state.torn = text.last().is_some_and(|last| *last != b'\n');
                state.bytes = text.len() as u64;
            }
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                let Ok(step) = serde_json::from_slice::<Step>(line) else {
                    // The last one was never acknowledged.
                    if line.ends_with(b"\n") {
                        notes.push(format!("{} is damaged: a line is left out", path.display()));
                    }
                    continue;
                };
                state.lines += 1;
                if step.change.base != mark {
                    continue;
                }
                mark = step.change.mark();
                for id in step.change.drop {
                    routes.remove(&id);
                    ports.remove(&id);
                }
                routes.extend(step.change.put.into_iter().map(|route| (route.id.clone(), route)));
                ports.extend(step.ports);
            }
        }
        let routes = routes.into_values().collect();
        Kept { set: RouteSet { epoch: mark.0, revision: mark.1, routes }, ports }
    }

    /// Keeps the whole; on return it outlives a loss of power. Killed between any two lines, [`Keep::load`] finds the new
    /// one or the one before. A damaged file never takes the place of the last good one.
    pub(crate) fn store(&self, kept: &Kept) -> std::io::Result<()> {
        let mut state = lock(&self.state);
        let next = self.dir.join(NEXT);
        let current = self.dir.join(CURRENT);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        // By its looks: reading it again would cost as much as writing it.
        if state.good.is_some() && state.good == looks(&current) {
            // The lines first: read after either snapshot, they lead on from the one that they belong to.
            for (from, to) in [(CHANGES, PREVIOUS_CHANGES), (CURRENT, PREVIOUS)] {
                match std::fs::rename(self.dir.join(from), self.dir.join(to)) {
                    Err(error) if from == CHANGES && error.kind() == ErrorKind::NotFound => {}
                    other => other?,
                }
            }
        } else if let Err(error) = std::fs::remove_file(self.dir.join(CHANGES))
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        std::fs::rename(&next, &current)?;
        *state = State { good: looks(&current), ..State::default() };
        File::open(&self.dir)?.sync_all()
    }

    /// A snapshot should be made soon: reading many changes takes long.
    pub(crate) fn due(&self) -> bool {
        let state = lock(&self.state);
        state.lines >= CHANGES_MOST || state.bytes >= CHANGES_SIZE
    }

    /// Keeps a change of what was kept last; on return it outlives a loss of power. False where that needs a whole
    /// snapshot instead.
    pub(crate) fn append(
        &self,
        change: &Change,
        ports: BTreeMap<String, u16>,
    ) -> std::io::Result<bool> {
        let mut state = lock(&self.state);
        // Twice: one that is due may be on its way.
        let full = state.lines >= 2 * CHANGES_MOST || state.bytes >= 2 * CHANGES_SIZE;
        if state.good.is_none() || full || state.torn {
            return Ok(false);
        }
        let mut line = serde_json::to_vec(&Step { change: change.clone(), ports })?;
        line.push(b'\n');
        let path = self.dir.join(CHANGES);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let fresh = file.metadata()?.len() == 0;
        state.torn = true;
        file.write_all(&line)?;
        file.sync_data()?;
        if fresh {
            File::open(&self.dir)?.sync_all()?;
        }
        state.torn = false;
        state.lines += 1;
        state.bytes += line.len() as u64;
        Ok(true)
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

    fn change(base: i64) -> Change {
        Change { base: (1, base), epoch: 1, revision: base + 1, put: vec![], drop: vec![] }
    }

    fn port(number: u16) -> BTreeMap<String, u16> {
        BTreeMap::from([("a".into(), number)])
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

    #[test]
    fn changes_go_on_from_the_snapshot_that_they_belong_to() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        assert!(!keep.append(&change(0), port(1)).unwrap(), "there is nothing to change");
        keep.store(&kept(1)).unwrap();
        assert!(keep.append(&change(1), port(2)).unwrap());
        assert!(keep.append(&change(2), port(3)).unwrap());
        let (found, notes) = Keep::new(dir.path()).load();
        assert_eq!((found, notes.len()), (kept(3), 0));
        // A snapshot, and a change of that.
        keep.store(&kept(3)).unwrap();
        assert!(keep.append(&change(3), port(4)).unwrap());
        assert_eq!(Keep::new(dir.path()).load().0, kept(4));
        // The snapshot before, and all lines since.
        std::fs::write(dir.path().join(CURRENT), b"{").unwrap();
        let (found, notes) = Keep::new(dir.path()).load();
        assert_eq!((found, notes.len()), (kept(4), 1));
    }

    #[test]
    fn a_torn_line_is_as_if_it_was_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        keep.store(&kept(1)).unwrap();
        assert!(keep.append(&change(1), port(2)).unwrap());
        let whole = std::fs::read(dir.path().join(CHANGES)).unwrap();
        assert!(keep.append(&change(2), port(3)).unwrap());
        let both = std::fs::read(dir.path().join(CHANGES)).unwrap();
        for end in whole.len()..both.len() {
            std::fs::write(dir.path().join(CHANGES), &both[..end]).unwrap();
            let again = Keep::new(dir.path());
            let (found, notes) = again.load();
            // All but its line end is all of it.
            let expected = if end + 1 == both.len() { 3 } else { 2 };
            assert_eq!((found, notes.len()), (kept(expected), 0), "at {end}");
            let clean = end == whole.len();
            assert_eq!(again.append(&change(2), port(3)).unwrap(), clean, "at {end}");
        }
        // Garbage between good lines: nothing goes on from behind it.
        let mut garbled = b"\0\0\n".to_vec();
        garbled.extend(&both[whole.len()..]);
        std::fs::write(dir.path().join(CHANGES), &garbled).unwrap();
        let (found, notes) = Keep::new(dir.path()).load();
        assert_eq!((found, notes.len()), (kept(1), 1));
    }

    #[test]
    fn after_many_changes_a_snapshot_is_due() {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path());
        keep.store(&kept(1)).unwrap();
        lock(&keep.state).lines = 2 * CHANGES_MOST - 1;
        assert!(keep.append(&change(1), port(2)).unwrap());
        assert!(keep.due());
        assert!(!keep.append(&change(2), port(3)).unwrap());
        keep.store(&kept(3)).unwrap();
        assert!(!keep.due());
        assert!(keep.append(&change(3), port(4)).unwrap());
        assert_eq!(Keep::new(dir.path()).load().0, kept(4));
    }
}
