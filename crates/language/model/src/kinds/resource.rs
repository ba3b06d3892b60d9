//! `Resource` of the Backstage catalog: what a component needs to run, such as a database.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::BACKSTAGE_VERSIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a resource is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSpec {
    /// `database`, `s3-bucket`, `cluster`, or a word of your own.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// A reference to a group (the default kind) or user.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// What it depends on; each reference names its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// What depends on it; each reference names its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependency_of: Vec<String>,
    /// The system it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Declared for ResourceSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "resources",
        short: &[],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Owner,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("dependsOn", None, Relation::DependsOn),
            Reference::to("dependencyOf", None, Relation::DependencyOf),
            Reference::to("system", Some("system"), Relation::PartOf),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }
}
