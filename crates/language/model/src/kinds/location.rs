//! `Location` of the Backstage catalog: where declared objects come from.

use crate::declared::{Declared, KindFacts, Ownership};
use crate::envelope::BACKSTAGE_VERSIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Must what a location names be there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is an error if it is not.
    Required,
    /// It may be missing.
    Optional,
}

/// What a location is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationSpec {
    /// `file` (a file or folder of the platform's machine), `url` or `git`; that of what it stands in where nothing is
    /// said.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub kind: Option<String>,
    /// One place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub target: Option<String>,
    /// Several places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1)))]
    pub targets: Vec<String>,
    /// `required` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

/// The annotation that says which kinds may come from a location: names, separated by commas.
pub const ALLOW: &str = "towpath.dev/allow";
/// The annotation that says what becomes of objects that a location names no more: `delete` (the default) or `keep`.
pub const ORPHANS: &str = "towpath.dev/orphans";
/// The annotation that says how often a location is looked at, as in `5m`.
pub const REFRESH: &str = "towpath.dev/refresh";

impl Declared for LocationSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "locations",
        short: &[],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Platform,
        references: &[],
    };
}
