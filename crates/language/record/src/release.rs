//! A release: numbered, immutable, free of environment.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_model::kinds::{delivery::DeliverySpec, workload::Workload};
use tow_names::{Digest, EntityRef, Timestamp};

/// One Score file in a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseWorkload {
    /// As the user named the file.
    pub file: String,
    /// The file, read.
    pub score: Workload,
    /// Where each JSON pointer of the file is written: `[line, column]`, so that a later refusal names the line.
    #[serde(default)]
    pub positions: BTreeMap<String, (u32, u32)>,
    /// Digest of the file's text.
    pub digest: Digest,
}

/// What can be deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Whose.
    pub component: EntityRef,
    /// From 1.
    pub number: i64,
    /// By the Score file's `metadata.name`.
    pub workloads: BTreeMap<String, ReleaseWorkload>,
    /// How it is built and run.
    pub delivery: DeliverySpec,
    /// What `image: .` was built from.
    pub source: Option<Digest>,
    /// What it was built into: [`crate::Artifact::key`].
    pub artifact: Option<Digest>,
    /// Where the source was at.
    pub commit: Option<String>,
    /// Digest of everything above but the number: equal content makes no second release.
    pub content: Digest,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl Record for Release {
    const KIND: &'static str = "release";
    fn id(&self) -> String {
        format!("{}/{}", self.component, self.number)
    }
    fn subject(&self) -> String {
        self.component.to_string()
    }
    fn number(&self) -> i64 {
        self.number
    }
}
