//! `POST /api/v1/apply`: documents of any number and kind, in one transaction.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text as the user has it; errors name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// The file's name as the user wrote it; `-` for standard input.
    pub name: String,
    /// The whole text; several YAML documents may be in it.
    pub text: String,
}

/// What to apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The documents.
    pub documents: Vec<Document>,
    /// Say what would happen and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Verdict {
    Created,
    Updated,
    Unchanged,
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

/// What became of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// In the order of the documents.
    pub objects: Vec<Applied>,
    /// Nothing was changed.
    pub dry_run: bool,
}

endpoint!(Apply, "object.apply", Post "/api/v1/apply", 200, Declare,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Applies documents of declared kinds in one transaction: all of them or none.");
