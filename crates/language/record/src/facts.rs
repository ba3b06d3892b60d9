//! What a runtime can do on its machine: plans refuse by it, people read it, the conformance matrix is made of it.

use crate::Isolation;
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
    /// Run a command beside the program, inside what it sees.
    Exec,
    /// Hand on sockets that outlive the program.
    HandedSockets,
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
