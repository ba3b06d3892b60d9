//! What puts an artifact upon a base as an image, and the image into a registry.

use crate::PortError;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tow_names::Digest;

/// An image that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOrder {
    /// The artifact's archive, a file of this machine.
    pub archive: PathBuf,
    /// What it must be.
    pub digest: Digest,
    /// Upon what: `scratch`, an image of a registry, or `layout:FOLDER` of this machine.
    pub base: String,
    /// Where to: `registry.example/team/app:1`.
    pub reference: String,
    /// How it is started, from the folder it lies in.
    pub entry: Vec<String>,
    /// As the artifact says it: `linux/x86_64`.
    pub platform: String,
    /// What is written on it.
    pub labels: BTreeMap<String, String>,
    /// Name and password at the registry it is pushed to.
    pub login: Option<Login>,
}

/// Name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose.
    pub user: String,
    /// Never shown.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An image that is in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// With its digest: `registry.example/team/app@sha256:…`.
    pub reference: String,
    /// Of its manifest. The same order has the same.
    pub digest: String,
    /// How many layers, the base's included.
    pub layers: usize,
    /// Their bytes.
    pub size: u64,
}

/// Assembles and pushes images, without a daemon.
#[async_trait]
pub trait Images: Send + Sync {
    /// Again, it pushes nothing that is there already. `Refused` with what the registry or the base said.
    async fn push(&self, order: &ImageOrder) -> Result<Pushed, PortError>;
}
