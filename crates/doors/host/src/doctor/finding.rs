//! What a check found, and the mending that is safe enough to be done by itself.

use rustix::fs::{AtFlags, CWD, Mode, statat};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works; one day it may not.
    Warn,
    /// It does not work, or what is kept is in danger.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// Which check: `disk.space`.
    pub(crate) check: &'static str,
    pub(crate) state: State,
    /// What was seen.
    pub(crate) seen: String,
    /// Why that is bad; empty where it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) cause: String,
    /// What to do; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) fix: String,
    /// What `--fix` did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fixed: Option<String>,
    /// What `--fix` may do.
    #[serde(skip)]
    pub(crate) mend: Option<Mend>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, State::Ok, seen)
    }
    pub(crate) fn warn(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, State::Warn, seen)
    }
    pub(crate) fn fail(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, State::Fail, seen)
    }
    fn new(check: &'static str, state: State, seen: impl Into<String>) -> Self {
        let seen = crate::error::plain(&seen.into());
        Self {
            check,
            state,
            seen,
            cause: String::new(),
            fix: String::new(),
            fixed: None,
            mend: None,
        }
    }
    pub(crate) fn cause(mut self, why: impl Into<String>) -> Self {
        self.cause = why.into();
        self
    }
    pub(crate) fn fix(mut self, what: impl Into<String>) -> Self {
        self.fix = what.into();
        self
    }
    pub(crate) fn mend(mut self, mend: Mend) -> Self {
        self.mend = Some(mend);
        self
    }
}

/// What may be done without asking: nothing that anybody could miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mend {
    /// Nobody but its user may look inside or read it.
    Private(PathBuf),
    /// A file that means nothing any more.
    File(PathBuf),
    /// A folder that means nothing any more, with all in it.
    Folder(PathBuf),
}

impl Mend {
    /// Does it below `root` alone, on what this user owns, never through a link; what it did.
    pub(crate) fn apply(&self, root: &Path) -> std::io::Result<String> {
        let (Self::Private(path) | Self::File(path) | Self::Folder(path)) = self;
        let refuse = |why: &str| Err(std::io::Error::other(format!("{}: {why}", path.display())));
        let root = root.canonicalize()?;
        let place = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => parent.canonicalize()?.join(name),
            _ => return refuse("it has no name"),
        };
        let is_root = place == root;
        if !(place.starts_with(&root) && (!is_root || matches!(self, Self::Private(_)))) {
            return refuse("it is not in the data directory");
        }
        let found = statat(CWD, &place, AtFlags::SYMLINK_NOFOLLOW)?;
        if found.st_uid != rustix::process::geteuid().as_raw() {
            return refuse("it belongs to somebody else");
        }
        let kind = rustix::fs::FileType::from_raw_mode(found.st_mode);
        match self {
            Self::Private(_) if kind.is_symlink() => refuse("it is a link"),
            Self::Private(_) => {
                let mode = if kind.is_dir() { 0o700 } else { found.st_mode & 0o700 };
                rustix::fs::chmod(&place, Mode::from_raw_mode(mode))?;
                Ok(format!("{} has mode {mode:03o} now", path.display()))
            }
            Self::File(_) if kind.is_dir() => refuse("it is a folder"),
            Self::File(_) => {
                std::fs::remove_file(&place)?;
                Ok(format!("{} is taken away", path.display()))
            }
            Self::Folder(_) if !kind.is_dir() => refuse("it is not a folder"),
            Self::Folder(_) => {
                std::fs::remove_dir_all(&place)?;
                Ok(format!("{} is taken away", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn nothing_outside_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("data"), dir.path().join("other"));
        std::fs::create_dir_all(root.join("run")).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        std::fs::write(other.join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(&other, root.join("run/link")).unwrap();
        for mend in [
            Mend::File(other.join("precious")),
            Mend::File(root.join("run/../../other/precious")),
            Mend::File(root.join("run/link/precious")),
            Mend::Private(root.join("run/link")),
            Mend::Folder(other.clone()),
            Mend::Folder(root.join("run/link")),
            Mend::Folder(root.clone()),
        ] {
            assert!(mend.apply(&root).is_err(), "{mend:?}");
        }
        assert_eq!(std::fs::read_to_string(other.join("precious")).unwrap(), "x");
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        Mend::Private(root.clone()).apply(&root).unwrap();
        assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
