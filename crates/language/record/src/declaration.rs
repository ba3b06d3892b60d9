//! What becomes of one object when its source is applied: the unit in which the catalog changes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_model::Manifest;
use tow_names::EntityRef;

/// What became of an object, or would.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Verdict {
    Created,
    Updated,
    Unchanged,
    Removed,
}

impl Verdict {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
        }
    }
}

/// An object as the store has it, as far as a declaration looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// As it was applied.
    pub manifest: Manifest,
    /// From 1; grows with each write.
    pub version: i64,
    /// Grows when the spec changes.
    pub generation: i64,
    /// Which source it belongs to; empty where it belongs to none.
    pub source: String,
}

/// The change of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Which object.
    pub entity: EntityRef,
    /// What becomes of it.
    pub verdict: Verdict,
    /// As it is; none where it is not there.
    pub before: Option<Kept>,
    /// As it will be; none where it goes.
    pub after: Option<Manifest>,
    /// Which source it belongs to afterwards.
    pub source: String,
}

impl Declaration {
    /// Does the spec say something else?
    pub fn respec(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.manifest.spec != after.spec,
            _ => true,
        }
    }

    /// Its generation afterwards.
    pub fn generation(&self) -> i64 {
        let before = self.before.as_ref().map_or(0, |kept| kept.generation);
        before + i64::from(self.verdict != Verdict::Unchanged && self.respec())
    }
}
