//! `AiResource` of the Backstage catalog: what an AI assistant is given.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What it is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiResourceSpec {
    /// `skill`, `rule`, `plugin`, `marketplace`, or a word of your own.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// `experimental`, `production`, `deprecated`, or a word of your own.
    #[schemars(length(min = 1))]
    pub lifecycle: String,
    /// A reference to a group (the default kind) or user.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// The system it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// What it depends on; each reference names its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Declared for AiResourceSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "airesources",
        short: &["ai"],
        versions: &["backstage.io/v1alpha1"],
        namespaced: true,
        ownership: Ownership::Owner,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("system", Some("system"), Relation::PartOf),
            Reference::to("dependsOn", None, Relation::DependsOn),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }
}
