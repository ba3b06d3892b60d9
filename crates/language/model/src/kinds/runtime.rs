//! `Runtime`: what executes.

use crate::declared::{Declared, KindFacts, Ownership};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeType {
    /// Processes of this machine, each under a small shim.
    Process,
}

/// What a runtime is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeSpec {
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: RuntimeType,
    /// Where it is, in the platform team's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Declared for RuntimeSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "runtimes",
        short: &[],
        versions: &[API_VERSION],
        namespaced: false,
        ownership: Ownership::Platform,
        references: &[],
    };
}
