//! `System` of the Backstage catalog: what belongs together; what people call a project.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::BACKSTAGE_VERSIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a system is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemSpec {
    /// A reference to a group (the default kind) or user.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// The domain it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub domain: Option<String>,
    /// A word of your own.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub kind: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Declared for SystemSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "systems",
        short: &["sys"],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Owner,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("domain", Some("domain"), Relation::PartOf),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }
}
