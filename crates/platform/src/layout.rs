//! Where everything is under the data directory.

use std::path::{Path, PathBuf};

/// A data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Of this directory; nothing is created.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// Held by whoever is the control plane.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    /// Which directory this is.
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }
    /// Which database holds everything, without its password; not there where the store is the file below.
    pub fn database(&self) -> PathBuf {
        self.root.join("database")
    }
    /// The store.
    pub fn store(&self) -> PathBuf {
        self.root.join("tow.db")
    }
    /// Keys that open every secret in the store.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
    /// Sources and artifacts, by digest.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }
    /// Copies of `tow`: what runs is never changed by a rebuild.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }
    /// Everything that has to do with what runs.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }
    /// A folder for each instance.
    pub fn instances(&self) -> PathBuf {
        self.run().join("i")
    }
    /// A folder for each volume.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }
    /// A folder for each instance that is a container.
    pub fn containers(&self) -> PathBuf {
        self.run().join("c")
    }
    /// A folder for each build.
    pub fn builds(&self) -> PathBuf {
        self.run().join("b")
    }
    /// The gateway's own.
    pub fn gateway(&self) -> PathBuf {
        self.run().join("gateway")
    }
    /// What speeds up later builds.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }
    /// Where the running platform says how it is reached.
    pub fn platform_file(&self) -> PathBuf {
        self.run().join("platform.json")
    }
    /// What was found broken in the store when the platform was last started; not there where it was whole.
    pub fn damage(&self) -> PathBuf {
        self.run().join("damage")
    }
    /// The token of this machine's command line.
    pub fn token_file(&self) -> PathBuf {
        self.run().join("token")
    }
    /// All directories that must be there.
    pub fn directories(&self) -> Vec<PathBuf> {
        vec![
            self.root.clone(),
            self.keys(),
            self.blobs(),
            self.bin(),
            self.run(),
            self.instances(),
            self.builds(),
            self.gateway(),
            self.cache(),
        ]
    }
}
