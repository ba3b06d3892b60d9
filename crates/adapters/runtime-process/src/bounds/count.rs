//! Counts what files take up, a few at a time, so that whoever counts can do other things between. By descriptors: no path
//! is too long, no link is followed. What can't be counted is an error and never nothing.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::path::PathBuf;

/// A file takes at least this: without it a disk could be filled with empty ones.
const FILE: u64 = 4096;
/// Each level holds a descriptor.
const DEEPEST: usize = 256;
/// Entries that are looked at in one go.
const AT_ONCE: usize = 2048;

/// Some folders, as far as they are counted.
pub(super) struct Count {
    left: Vec<PathBuf>,
    open: Vec<Dir>,
    used: u64,
    /// More than this need not be known exactly.
    most: u64,
}

impl Count {
    pub(super) const fn new(folders: Vec<PathBuf>, most: u64) -> Self {
        Self { left: folders, open: Vec::new(), used: 0, most }
    }

    /// Goes on; what all of it takes, once that is known, or why that can't be.
    pub(super) fn go_on(&mut self) -> Option<Result<u64, String>> {
        for _ in 0..AT_ONCE {
            if self.used > self.most {
                return Some(Ok(self.used));
            }
            match self.next() {
                Ok(true) => {}
                Ok(false) => return Some(Ok(self.used)),
                Err(why) => return Some(Err(why)),
            }
        }
        None
    }

    /// One entry; false once there is none.
    fn next(&mut self) -> Result<bool, String> {
        let Some(dir) = self.open.last_mut() else {
            let Some(path) = self.left.pop() else { return Ok(false) };
            match rustix::fs::openat(CWD, &path, INTO, Mode::empty()).and_then(Dir::new) {
                Ok(dir) => self.open.push(dir),
                Err(Errno::NOENT) => {}
                Err(err) => return Err(err.to_string()),
            }
            return Ok(true);
        };
        let entry = match dir.read() {
            // A folder that was taken away meanwhile has no entries.
            None | Some(Err(Errno::NOENT)) => {
                self.open.pop();
                return Ok(true);
            }
            Some(entry) => entry.map_err(|err| err.to_string())?,
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            return Ok(true);
        }
        let at = dir.fd().map_err(|err| err.to_string())?;
        let meta = match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(meta) => meta,
            Err(Errno::NOENT) => return Ok(true),
            Err(err) => return Err(err.to_string()),
        };
        let blocks = u64::try_from(meta.st_blocks).unwrap_or_default();
        self.used = self.used.saturating_add((blocks * 512).max(FILE));
        if FileType::from_raw_mode(meta.st_mode) != FileType::Directory {
            return Ok(true);
        }
        if self.open.len() == DEEPEST {
            return Err(format!("its folders are more than {DEEPEST} deep"));
        }
        let at = self.open.last().map(Dir::fd).transpose().map_err(|err| err.to_string())?;
        match rustix::fs::openat(at.unwrap_or(CWD), name, INTO, Mode::empty()).and_then(Dir::new) {
            Ok(dir) => self.open.push(dir),
            // It went, or something else is there, since it was looked at.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(Errno::ACCESS) => return Err("a folder of its is closed to everybody".into()),
            Err(err) => return Err(err.to_string()),
        }
        Ok(true)
    }
}

const INTO: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_are_counted_in_turns_and_a_deep_tree_is_an_error() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("work");
        std::fs::create_dir_all(folder.join("below")).unwrap();
        for n in 0..2 * AT_ONCE {
            std::fs::write(folder.join(format!("below/{n}")), "").unwrap();
        }
        let whole = |most: u64| {
            let mut count = Count::new(vec![folder.clone(), outer.path().join("none")], most);
            let turns = std::iter::from_fn(|| Some(count.go_on()));
            let all: Vec<_> = turns.take(10).collect();
            let end = all.iter().position(Option::is_some).unwrap();
            (end, all[end].clone().unwrap())
        };
        let all = (2 * AT_ONCE as u64 + 1) * FILE;
        let (turns, used) = whole(u64::MAX);
        assert!(turns > 1 && used.clone().unwrap() >= all, "{turns} {used:?}");
        let (turns, used) = whole(FILE);
        assert!(turns == 0 && used.unwrap() > FILE, "it need not be known exactly");
        let mut deep = folder.clone();
        for _ in 0..DEEPEST {
            deep.push("d");
        }
        std::fs::create_dir_all(deep).unwrap();
        assert!(whole(u64::MAX).1.unwrap_err().contains("deep"));
    }
}
