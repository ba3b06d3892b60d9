//! Where the catalog's files come from: a folder of this machine, a URL, a git repository. An adapter reads and compares;
//! what the files say, and which of them are read, is not its business.

use async_trait::async_trait;
use std::sync::Arc;
use tow_model::Manifest;
use tow_record::StatusItem;

/// The kinds of places that files come from.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the source of its name")]
pub struct Sources {
    pub file: Arc<dyn CatalogSource>,
    pub url: Arc<dyn CatalogSource>,
    pub git: Arc<dyn CatalogSource>,
}

/// Most files that a source lists or gives, and most bytes of all their texts: what is larger is refused whole.
pub const MAX_SOURCE_FILES: usize = 10_000;
/// See [`MAX_SOURCE_FILES`]; 64 MiB.
pub const MAX_SOURCE_BYTES: usize = 64 << 20;

/// Why nothing was read. For people, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Not a target that is read at all, whoever asks.
    #[error("{target:?} is not read: {why}")]
    Refused {
        /// As given.
        target: String,
        /// Such as «it leads to a private address».
        why: String,
    },
    /// There is nothing.
    #[error("there is nothing at {0}")]
    Missing(String),
    /// It is there, or may be, and can't be read now.
    #[error("{target} can't be read: {why}")]
    Unreachable {
        /// Which.
        target: String,
        /// What happened.
        why: String,
    },
    /// It is more than is read of one source.
    #[error("{target} is too large: {why}")]
    TooLarge {
        /// Which.
        target: String,
        /// Which limit.
        why: String,
    },
}

impl SourceError {
    /// The code that people and programs know it by.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "location/refused",
            Self::Missing(_) => "location/missing",
            Self::Unreachable { .. } => "location/unreachable",
            Self::TooLarge { .. } => "location/too-large",
        }
    }
}

/// What was found on opening a target.
pub enum Opened {
    /// It is as it was at the revision that was known.
    Unchanged,
    /// What it is now.
    Tree(Arc<dyn CatalogTree>),
}

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A file.
    File,
    /// A folder: the paths of all YAML and JSON files below it, sorted; links, hidden folders and those of tools left out.
    Folder(Vec<String>),
    /// Nothing.
    Missing,
}

/// Where a file is, for people and for the catalog's annotations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// `type:target` of the file itself, as in `url:https://example.org/catalog-info.yaml`.
    pub location: String,
    /// `type:target` of the folder it is in.
    pub source: String,
    /// Where it is looked at in a browser.
    pub view: Option<String>,
    /// Where it is edited in a browser.
    pub edit: Option<String>,
}

/// A kind of place.
#[async_trait]
pub trait CatalogSource: Send + Sync {
    /// Could it be read, as far as the target's text tells? Looks nothing up.
    fn check(&self, target: &str) -> Result<(), SourceError>;
    /// Opens a target. `known`: the revision of the last time. Ends within a minute or two, whatever the other side does.
    async fn open(&self, target: &str, known: Option<&str>) -> Result<Opened, SourceError>;
}

/// The files of one opened target. Paths are relative to its root, with `/`; nothing outside the root is ever read.
#[async_trait]
pub trait CatalogTree: Send + Sync {
    /// The path that the target itself names: a file, a folder or a pattern with `*`.
    fn entry(&self) -> String;
    /// To be known the next time; empty where it can't be told whether something has changed.
    fn revision(&self) -> String;
    /// The path of a URL that is part of this source, as a URL of the same host is of a URL.
    fn path_of(&self, url: &str) -> Option<String>;
    /// Where a file is.
    fn place(&self, path: &str) -> Place;
    /// What there is.
    async fn list(&self, path: &str) -> Result<Listed, SourceError>;
    /// The texts of these files, in their order, or why one can't be read: not there, not UTF-8, a link, too large.
    async fn texts(&self, paths: &[String]) -> Result<Vec<Result<String, String>>, SourceError>;
}

/// What reading a location came to.
#[derive(Debug, Clone, PartialEq)]
pub enum LocationRead {
    /// Its source is at the revision that was known.
    Unchanged,
    /// Nothing could be read, and why.
    Nothing(Vec<StatusItem>),
    /// What was read.
    Files(LocationFiles),
}

/// What a location's files say.
#[derive(Debug, Clone, PartialEq)]
pub struct LocationFiles {
    /// What they declare, each once, with the annotations of its place; and where, as `file:line`.
    pub named: Vec<(Manifest, String)>,
    /// What is wrong with them.
    pub items: Vec<StatusItem>,
    /// All was read: what is not among `named` is not declared.
    pub complete: bool,
    /// It goes beyond a limit: nothing of it is to be kept.
    pub refused: bool,
    /// How many files were read.
    pub files: u64,
    /// To be known the next time; empty where it can't be told whether something has changed.
    pub revision: String,
}

/// Reads whole locations, of all kinds of sources.
#[async_trait]
pub trait Locations: Send + Sync {
    /// Could it be read, as far as its text tells? Looks nothing up.
    fn check(&self, location: &Manifest) -> Result<(), SourceError>;
    /// Reads it. `known`: the revision of the last time.
    async fn read(&self, location: &Manifest, known: Option<&str>) -> LocationRead;
}
