//! `Component` of the Backstage catalog: what a team owns.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::BACKSTAGE_VERSIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a component is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    /// `service`, `website`, `library`, or a word of your own.
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
    /// The component it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub subcomponent_of: Option<String>,
    /// APIs it provides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides_apis: Vec<String>,
    /// APIs it consumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumes_apis: Vec<String>,
    /// What it depends on; each reference names its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// What depends on it; each reference names its kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependency_of: Vec<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Declared for ComponentSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "components",
        short: &["comp"],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Owner,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("system", Some("system"), Relation::PartOf),
            Reference::to("subcomponentOf", Some("component"), Relation::PartOf),
            Reference::to("providesApis", Some("api"), Relation::ProvidesApi),
            Reference::to("consumesApis", Some("api"), Relation::ConsumesApi),
            Reference::to("dependsOn", None, Relation::DependsOn),
            Reference::to("dependencyOf", None, Relation::DependencyOf),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }
}
