//! `ServiceAccount`: a program that acts by itself, such as a pipeline. People's tokens are theirs; a machine's are its own.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a service account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountSpec {
    /// Who answers for it: a reference to a group (the default kind) or user.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// The groups whose things it may touch, as a member may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_of: Vec<String>,
}

impl Declared for ServiceAccountSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "serviceaccounts",
        short: &["sa"],
        versions: &[API_VERSION],
        namespaced: true,
        ownership: Ownership::Platform,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("memberOf", Some("group"), Relation::MemberOf),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }
}
