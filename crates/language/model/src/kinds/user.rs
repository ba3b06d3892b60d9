//! `User` of the Backstage catalog: a person.

use super::group::Profile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a user is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    /// How the person is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The groups the person is in; may be empty, must be there.
    pub member_of: Vec<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}
