//! `POST /api/v1/apply`: documents of any number and kind.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use tow_record::Verdict;

/// A text as the user has it; errors name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// The file's name as the user wrote it; `-` for standard input.
    pub name: String,
    /// The whole text; several YAML documents may be in it.
    pub text: String,
    /// The files that the text asks for by `$text`, `$json` and `$yaml`, and as a Score file by `source`: their paths as
    /// written there, and their texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<String, String>,
    /// Those of a Score file that are no texts, in Base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub binaries: BTreeMap<String, String>,
}

impl Document {
    /// A text that asks for no files.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (attachments, binaries) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.into(), text: text.into(), attachments, binaries }
    }

    /// Bytes of its texts.
    pub fn size(&self) -> usize {
        let carried = self.attachments.values().chain(self.binaries.values());
        self.text.len() + carried.map(String::len).sum::<usize>()
    }
}

/// What to apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The documents.
    pub documents: Vec<Document>,
    /// Say what would happen and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Which source they come from, in your own words: what it declares is its own from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Remove what the source declared before and names no more.
    #[serde(default)]
    pub prune: bool,
    /// References of what earlier parts of the same apply named, where it comes in several requests: not removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Take over what belongs to another source.
    #[serde(default)]
    pub take: bool,
}

impl Body {
    /// These documents, of no source.
    pub fn of(documents: Vec<Document>) -> Self {
        Self {
            documents,
            dry_run: false,
            source: None,
            prune: false,
            also: Vec::new(),
            take: false,
        }
    }
}

/// One object's line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// Its reference.
    pub entity: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Counts the changes of its spec.
    pub generation: i64,
}

/// What became of all of them, by reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// By reference.
    pub objects: Vec<Applied>,
    /// Nothing was changed.
    pub dry_run: bool,
}

endpoint!(Apply, "object.apply", Post "/api/v1/apply", 200, Declare,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Applies documents of declared kinds. All of them are judged before any is written. Up to 500 changes are one \
     transaction; more are written 500 at a time, and applying them again goes on where it stopped.");
