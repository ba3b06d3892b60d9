//! `System` of the Backstage catalog: what belongs together; what people call a project.

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
