//! `Environment`: where deployments live.

use super::bake::{self, Baking};
use super::workload::VARIABLE_PATTERN;
use crate::Invalid;
use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::Name;

/// How much is at stake in an environment; defaults of health and isolation follow from it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// For one's own eyes: quick gates, routes by default.
    Development,
    /// For the team's eyes.
    Staging,
    /// For customers: slow gates, nothing by default.
    Production,
    /// For one branch, for a while.
    Preview,
}

impl Tier {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Preview => "preview",
        }
    }
}

/// What an environment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// How much is at stake.
    pub tier: Tier,
    /// The `Runtime` that executes its deployments.
    pub runtime: Name,
    /// Where it is, in the platform team's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Environments of one stage are promoted to together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Name>,
    /// Who answers for it: a group or user reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub owner: Option<String>,
    /// Configuration that every component here sees unless it says otherwise. Not for secrets: anyone may read it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = { "minLength": 1, "pattern": VARIABLE_PATTERN }))]
    pub variables: BTreeMap<String, String>,
    /// How long a new release is watched once it serves, and what makes it go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Baking>,
}

impl Declared for EnvironmentSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "environments",
        short: &["env", "envs"],
        versions: &[API_VERSION],
        namespaced: false,
        ownership: Ownership::Platform,
        references: &[Reference::to("owner", Some("group"), Relation::OwnedBy)],
    };

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn check(spec: &serde_json::Value, out: &mut Vec<Invalid>) {
        bake::check(&spec["bake"], out);
    }
}
