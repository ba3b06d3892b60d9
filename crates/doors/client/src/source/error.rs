//! Why a folder was not packed, for people: what, and the way out.

use std::path::PathBuf;

/// Why a folder was not packed. Nothing was uploaded.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no such folder.
    #[error("{} is not a folder that can be read: {source}", path.display())]
    NotAFolder {
        /// As given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Below the folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It grew or shrank while it was packed.
    #[error("{} changed while it was packed", path.display())]
    Changed {
        /// Below the folder.
        path: PathBuf,
    },
    /// Secrets don't travel with the source.
    #[error("these look like secrets and are not packed: {}", list(files))]
    Secret {
        /// Below the folder, and why each is taken for one.
        files: Vec<(PathBuf, &'static str)>,
    },
    /// A link that points out of the folder would mean something else elsewhere.
    #[error("{} is a link to {}, which leaves the folder", path.display(), target.display())]
    LinkLeaves {
        /// Below the folder.
        path: PathBuf,
        /// As the link says.
        target: PathBuf,
    },
    /// Neither a file nor a folder nor a link.
    #[error("{} is neither a file nor a folder nor a link", path.display())]
    Special {
        /// Below the folder.
        path: PathBuf,
    },
    /// Too large.
    #[error(
        "the folder holds {} in {files} files, more than the {} that may be packed; the largest: {}",
        mebibytes(*size), mebibytes(*limit), largest_list(largest)
    )]
    TooLarge {
        /// Bytes of all files that would be packed.
        size: u64,
        /// Bytes allowed.
        limit: u64,
        /// How many files.
        files: usize,
        /// The largest folders or files in it, with their bytes.
        largest: Vec<(PathBuf, u64)>,
    },
    /// Nothing is left after `.gitignore` and `.towignore`.
    #[error("there is nothing to pack in {}: it is empty, or everything in it is ignored", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The archive can't be written.
    #[error("cannot write the archive: {0}")]
    Write(#[source] std::io::Error),
}

impl PackError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAFolder { .. } => "source/not-a-folder",
            Self::Unreadable { .. } => "source/unreadable",
            Self::Changed { .. } => "source/changed",
            Self::Secret { .. } => "source/secret",
            Self::LinkLeaves { .. } => "source/link-leaves",
            Self::Special { .. } => "source/special-file",
            Self::TooLarge { .. } => "source/too-large",
            Self::Empty { .. } => "source/empty",
            Self::Write(_) => "source/write",
        }
    }

    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAFolder { .. } => "name the folder that holds the Score file",
            Self::Unreadable { .. } => {
                "make it readable, or name it in .towignore if it is not part of the source"
            }
            Self::Changed { .. } => "try again when nothing writes to the folder",
            Self::Secret { .. } => {
                "name them in .towignore (or .gitignore) to leave them out; hand their values over with `tow config set`"
            }
            Self::LinkLeaves { .. } => {
                "copy what it points to into the folder, or name the link in .towignore"
            }
            Self::Special { .. } => "name it in .towignore",
            Self::TooLarge { .. } => "name what is not source in .towignore",
            Self::Empty { .. } => "look at .gitignore and .towignore; `!NAME` takes a name back in",
            Self::Write(_) => "look at the space left where temporary files are kept",
        }
    }
}

fn list(files: &[(PathBuf, &'static str)]) -> String {
    let mut text: Vec<String> =
        files.iter().take(10).map(|(path, why)| format!("{} ({why})", path.display())).collect();
    if files.len() > 10 {
        text.push(format!("and {} more", files.len() - 10));
    }
    text.join(", ")
}

fn largest_list(largest: &[(PathBuf, u64)]) -> String {
    let text: Vec<String> = largest
        .iter()
        .map(|(path, size)| format!("{} ({})", path.display(), mebibytes(*size)))
        .collect();
    text.join(", ")
}

fn mebibytes(size: u64) -> String {
    if size < 1024 * 1024 { format!("{size} bytes") } else { format!("{} MiB", size / 1024 / 1024) }
}
