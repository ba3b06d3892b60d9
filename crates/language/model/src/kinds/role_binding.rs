//! `RoleBinding`: who has which role. Without one a person is a developer and a service account a viewer.

use crate::declared::{Declared, KindFacts, Ownership, Reference};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do at large; what they own is on top of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads the catalog.
    Viewer,
    /// Changes and runs what their groups own.
    Developer,
    /// Declares environments and runtimes; runs everything.
    Platform,
    /// Everything, tokens of others included.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Platform, Self::Admin];
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Platform => "platform",
            Self::Admin => "admin",
        }
    }
}

/// What a role binding is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleBindingSpec {
    /// Which role.
    pub role: Role,
    /// Who has it: references to users, groups or service accounts; each names its kind.
    #[schemars(length(min = 1))]
    pub subjects: Vec<String>,
}

impl Declared for RoleBindingSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "rolebindings",
        short: &["role-binding", "role-bindings"],
        versions: &[API_VERSION],
        namespaced: false,
        ownership: Ownership::Platform,
        references: &[Reference { field: "subjects", kind: None, relation: None }],
    };

    fn check(spec: &serde_json::Value, out: &mut Vec<crate::Invalid>) {
        check(spec, out);
    }
}

/// The broken rules of a `RoleBinding`: a subject is somebody who can act, or a group of such.
fn check(spec: &serde_json::Value, out: &mut Vec<crate::Invalid>) {
    for (index, subject) in spec["subjects"].as_array().into_iter().flatten().enumerate() {
        let group = subject.as_str().is_some_and(|text| {
            text.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("group:"))
        });
        // Whoever governs says who is in which group: through one they would make administrators.
        if group && spec["role"] == "admin" {
            out.push(crate::Invalid::new(
                format!("/spec/subjects/{index}"),
                "access/admin-by-group",
                "a group can't be administrator: whoever says who is in it would be one",
                "users and service accounts by name, as in user:default/ann",
            ));
        }
        let kind = subject.as_str().and_then(|text| text.split_once(':')).map(|(kind, _)| kind);
        let can_act = |kind: &str| {
            ["user", "group", "serviceaccount"].iter().any(|known| kind.eq_ignore_ascii_case(known))
        };
        if kind.is_some_and(|kind| !can_act(kind)) {
            out.push(crate::Invalid::new(
                format!("/spec/subjects/{index}"),
                "access/subject-kind",
                format!("{subject} can't have a role"),
                "a user, a group or a serviceaccount, as in group:default/platform",
            ));
        }
    }
}
