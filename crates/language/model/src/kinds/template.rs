//! `Template` of the Backstage scaffolder: a golden path, as declared. What its steps do is not known here.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a template is. Unknown fields are kept, as the scaffolder keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSpec {
    /// `service`, `website`, `library`, or a word of your own.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// What it does, in order.
    pub steps: Vec<TemplateStep>,
    /// A reference to a group (the default kind) or user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub owner: Option<String>,
    /// `experimental`, `production`, `deprecated`, or a word of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub lifecycle: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStep {
    /// Which action, as in `fetch:template`.
    pub action: String,
    /// Its id within the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Declared for TemplateSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "templates",
        short: &[],
        versions: &["scaffolder.backstage.io/v1beta3"],
        namespaced: true,
        ownership: Ownership::Platform,
        references: &[Reference::to("owner", Some("group"), Relation::OwnedBy)],
    };

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }
}
