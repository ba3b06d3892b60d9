//! The two files that control plane and builder process exchange, and how a file that matters is written.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tow_names::{Digest, Id, Timestamp};
use tow_record::{BuildSpec, BuildTool};

/// What is to be built.
pub(crate) const BUILD: &str = "build.json";
/// How it ended.
pub(crate) const RESULT: &str = "result.json";
/// What was made, until it is among the blobs.
pub(crate) const OUTPUT: &str = "out.tar";
/// The artifact, once it is among the blobs.
pub(crate) const ARTIFACT: &str = "artifact.json";
/// Where the source is unpacked.
pub(crate) const WORK: &str = "work";
/// The build's temporary files.
pub(crate) const TEMPORARY: &str = "tmp";

/// How much a build may use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Disk of its folders while it runs; also the largest single file.
    pub work: u64,
    /// The archive of what it made.
    pub output: u64,
}

impl Default for Limits {
    /// 4 GiB and 2 GiB.
    fn default() -> Self {
        Self { work: 4 << 30, output: 2 << 30 }
    }
}

/// `build.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: Id,
    pub(crate) spec: BuildSpec,
    /// The source's archive on this machine.
    pub(crate) source: PathBuf,
    /// Where what speeds up the next build is kept.
    pub(crate) cache: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) accepted_at: Timestamp,
}

/// `result.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "result")]
pub(crate) enum Outcome {
    /// `out.tar` is complete.
    Made(Made),
    /// It is not, and why.
    Failed { message: String },
}

/// What lies in `out.tar`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) tool: BuildTool,
    pub(crate) entry: Vec<String>,
    pub(crate) is_static: bool,
}

/// Writes `name` into `dir` so that it is there whole or not at all, whatever dies meanwhile.
pub(crate) fn write<T: Serialize>(dir: &Path, name: &str, value: &T) -> std::io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value).map_err(std::io::Error::other)?;
    let temporary = dir.join(format!("{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// Reads `name` in `dir`; `None` where it is not there.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    dir: &Path,
    name: &str,
) -> std::io::Result<Option<T>> {
    match std::fs::read(dir.join(name)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            std::io::Error::other(format!("{} is damaged: {error}", dir.join(name).display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
