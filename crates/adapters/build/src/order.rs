//! The two files that control plane and builder process exchange, and how a file that matters is written.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tow_names::{Digest, Id, Timestamp};
use tow_record::{BuildBounds, BuildSpec, BuildTool};

/// What is to be built.
pub(crate) const BUILD: &str = "build.json";
/// Why somebody ended it before it was done.
pub(crate) const CANCELLED: &str = "cancelled.json";
/// The files of its secrets, while it runs.
pub(crate) const SECRETS: &str = "secrets";
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

/// How much a build may use at most, whatever it asks for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes on disk of its folders while it runs; also the largest single file.
    pub work: u64,
    /// Bytes of the archive of what it made.
    pub output: u64,
    /// Bytes of memory, of all its processes together.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
}

impl Default for Limits {
    /// 8 GiB on disk, 2 GiB of output, three quarters of the machine's memory, 4,096 processes.
    fn default() -> Self {
        let system = rustix::system::sysinfo();
        let memory = u64::from(system.mem_unit).saturating_mul(system.totalram as u64);
        Self { work: 8 << 30, output: 2 << 30, memory: memory / 4 * 3, processes: 4096 }
    }
}

impl Limits {
    /// What one build may use: what it asks for, and never more than these.
    #[must_use]
    pub(crate) fn of(self, bounds: &BuildBounds) -> Self {
        let least = |limit: u64, asked: Option<u64>| asked.map_or(limit, |asked| asked.min(limit));
        Self {
            work: least(self.work, bounds.disk),
            output: self.output,
            memory: least(self.memory, bounds.memory),
            processes: least(self.processes, bounds.processes),
        }
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
    /// The id of the image, where `out.tar` is that of an image.
    #[serde(default)]
    pub(crate) image: Option<String>,
    /// As the tool called itself when it was built.
    #[serde(default)]
    pub(crate) toolchain: String,
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
