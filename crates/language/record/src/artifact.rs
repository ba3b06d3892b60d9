//! Source and what was built from it.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Digest, Duration, Id, Timestamp};

/// A folder as it was uploaded: a reproducible tar archive, named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Of the archive.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Who brought it first.
    pub created_by: String,
    /// When it was first brought.
    pub created_at: Timestamp,
    /// The commit the folder was at; with `+changes` where it differs from it.
    #[serde(default)]
    pub commit: Option<String>,
}

impl Record for Source {
    const KIND: &'static str = "source";
    fn id(&self) -> String {
        self.digest.to_string()
    }
    fn subject(&self) -> String {
        String::new()
    }
}

/// What builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuildTool {
    /// `cargo build --release` on a `Cargo.toml`.
    Cargo,
    /// Files served as they are.
    Static,
    /// `build.command` of `tow.yaml`.
    Command,
    /// Nothing to build: the folder is what runs.
    None,
}

/// How a source becomes an artifact. Its digest is the artifact's key, so the same source builds once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildSpec {
    /// What is built.
    pub source: Digest,
    /// The folder inside it; empty for its root.
    pub dir: String,
    /// `build.command`, where it is given; else the tool is detected in the folder.
    pub command: Option<String>,
    /// The folder that is kept, below `dir`.
    pub output: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

impl BuildSpec {
    /// What the artifact is found by: everything that goes in but the time limit.
    pub fn key(&self) -> Digest {
        let parts = serde_json::json!([1, self.source, self.dir, self.command, self.output]);
        Digest::of(parts.to_string().as_bytes())
    }
}

/// An immutable build output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// [`BuildSpec::key`].
    pub key: Digest,
    /// Of its archive: a tar of the folder that runs.
    pub digest: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// What built it.
    pub tool: BuildTool,
    /// How it is started where the container gives no command; relative to the unpacked folder.
    pub entry: Vec<String>,
    /// Files that the platform serves itself.
    pub is_static: bool,
    /// The build that made it.
    pub build: Id,
    /// When.
    pub created_at: Timestamp,
}

impl Record for Artifact {
    const KIND: &'static str = "artifact";
    fn id(&self) -> String {
        self.key.to_string()
    }
    fn subject(&self) -> String {
        String::new()
    }
}
