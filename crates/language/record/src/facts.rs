//! What a runtime can do on its machine: plans refuse by it, people read it, the conformance matrix is made of it.

use crate::{InstanceSpec, Isolation, Mount, Program, Setting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Something that not every runtime can do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Can {
    /// Run what an image holds.
    Images,
    /// Run an artifact (`image: .`).
    Artifacts,
    /// Put files at absolute paths, in a view of the instance's own.
    AbsoluteFiles,
    /// Keep folders beyond an instance's life.
    Volumes,
    /// Show a folder of a volume in place of the whole, however the volume changes meanwhile.
    VolumePaths,
    /// Keep an instance below so much memory.
    MemoryLimit,
    /// Keep an instance below so much processor time.
    CpuLimit,
    /// Keep an instance below so many processes.
    ProcessLimit,
    /// Keep an instance below so many bytes of files.
    DiskLimit,
    /// Give a pod a network of its own, so that programs may bind fixed ports.
    OwnNetwork,
    /// Give a network of their own to the containers of a pod together, where these are several.
    PodNetwork,
    /// Run a command beside the program, inside what it sees.
    Exec,
    /// Hand on sockets that outlive the program.
    HandedSockets,
    /// Run an instance as another user than its image's.
    OtherUser,
    /// Let an instance write nothing but its volumes and what is temporary.
    ReadOnlyRoot,
}

impl Can {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Artifacts => "artifacts",
            Self::AbsoluteFiles => "absolute-files",
            Self::Volumes => "volumes",
            Self::VolumePaths => "volume-paths",
            Self::MemoryLimit => "memory-limit",
            Self::CpuLimit => "cpu-limit",
            Self::ProcessLimit => "process-limit",
            Self::DiskLimit => "disk-limit",
            Self::OwnNetwork => "own-network",
            Self::PodNetwork => "pod-network",
            Self::Exec => "exec",
            Self::HandedSockets => "handed-sockets",
            Self::OtherUser => "other-user",
            Self::ReadOnlyRoot => "read-only-root",
        }
    }
}

impl std::fmt::Display for Can {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A runtime as it is on this machine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeFacts {
    /// How far it keeps instances from each other.
    pub isolation: Isolation,
    /// What it can do.
    pub can: BTreeSet<Can>,
    /// Why it can't be used at all just now, and what would help: `bubblewrap is not installed: …`.
    pub unavailable: Option<String>,
    /// What is weaker than it looks, for people: `memory is watched, not bounded: no cgroup is writable`.
    pub notes: Vec<String>,
}

impl RuntimeFacts {
    /// Can it?
    pub fn can(&self, what: Can) -> bool {
        self.can.contains(&what)
    }
}

impl InstanceSpec {
    /// What a runtime must be able to do to run this. A runtime that lacks any of it refuses the start: a plan has said
    /// so before, and a plan may be older than the machine is now.
    pub fn needs(&self) -> BTreeSet<Can> {
        let Setting { mounts, bounds, inside, several, user, read_only, .. } = &self.setting;
        // An image that was built here comes as an artifact, too, and needs nothing to stand on.
        let is_image = matches!(self.program, Program::Image { .. });
        let said = [
            (Can::Images, is_image),
            (Can::Artifacts, self.artifact.is_some() && !is_image),
            (Can::AbsoluteFiles, self.files.keys().any(|path| path.starts_with('/'))),
            (Can::Volumes, !mounts.is_empty()),
            (Can::VolumePaths, mounts.iter().any(Mount::is_part)),
            (Can::MemoryLimit, bounds.memory.is_some()),
            (Can::CpuLimit, bounds.cpu_millis.is_some()),
            (Can::ProcessLimit, bounds.processes.is_some()),
            (Can::DiskLimit, bounds.disk.is_some()),
            (Can::OwnNetwork, !inside.is_empty()),
            (Can::PodNetwork, !inside.is_empty() && *several),
            (Can::HandedSockets, !self.listen.is_empty()),
            (Can::OtherUser, user.is_some()),
            (Can::ReadOnlyRoot, *read_only),
        ];
        said.into_iter().filter_map(|(can, needed)| needed.then_some(can)).collect()
    }
}
