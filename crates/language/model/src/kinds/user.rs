//! `User` of the Backstage catalog: a person.

use super::group::Profile;
use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::BACKSTAGE_VERSIONS;
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

impl Declared for UserSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "users",
        short: &[],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Platform,
        references: &[Reference::to("memberOf", Some("group"), Relation::MemberOf)],
    };
}
