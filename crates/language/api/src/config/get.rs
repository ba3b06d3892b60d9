//! `GET /api/v1/components/{component}/environments/{environment}/config`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose, where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// `web`, or `namespace/web` percent-encoded.
    pub component: String,
    /// The environment.
    pub environment: String,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigValue {
    /// Its name.
    pub name: String,
    /// In plain text.
    pub value: String,
    /// Where it comes from: `component`, or `environment`.
    pub source: String,
}

/// All values, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Of the component's own values; 0 where none was set.
    pub version: i64,
    /// What a workload sees, unless its Score file says otherwise.
    pub values: Vec<ConfigValue>,
}

endpoint!(GetConfig, "config.get", Get "/api/v1/components/{component}/environments/{environment}/config", 200, ReadPrivate,
    path: Path, query: Nothing, body: Nothing, reply: Reply,
    "Configuration of a component in an environment, in plain text, for its owners.");
