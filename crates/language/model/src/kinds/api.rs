//! `API` of the Backstage catalog: what a component offers to others, with its definition.

use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use crate::envelope::BACKSTAGE_VERSIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an API is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiSpec {
    /// `openapi`, `asyncapi`, `graphql`, `grpc`, `mcp-server`, or a word of your own.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// `experimental`, `production`, `deprecated`, or a word of your own.
    #[schemars(length(min = 1))]
    pub lifecycle: String,
    /// A reference to a group (the default kind) or user.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// The system it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub system: Option<String>,
    /// The document that defines it, as text. Must be there unless the type is `mcp-server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub definition: Option<String>,
    /// Where an `mcp-server` is reached; at least one for that type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remotes: Vec<Remote>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

/// Where a server is reached. Unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remote {
    /// The transport, as in `streamable-http`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// Its address.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

/// The type whose API is a server's address and not a document.
const MCP_SERVER: &str = "mcp-server";

impl Declared for ApiSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "apis",
        short: &[],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Owner,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("system", Some("system"), Relation::PartOf),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }

    fn check(spec: &serde_json::Value, out: &mut Vec<crate::Invalid>) {
        check(spec, out);
    }
}

/// The broken rules of an `API`: a definition, or for an `mcp-server` at least one remote.
fn check(spec: &serde_json::Value, out: &mut Vec<crate::Invalid>) {
    let (missing, code) = if spec["type"] == MCP_SERVER {
        let none = spec["remotes"].as_array().is_none_or(Vec::is_empty);
        (none && (spec["remotes"].is_null() || spec["remotes"].is_array()), "api/remotes-missing")
    } else {
        (spec.is_object() && spec.get("definition").is_none(), "api/definition-missing")
    };
    if missing {
        let (field, expected) = if code == "api/remotes-missing" {
            ("remotes", "at least one remote with type and url")
        } else {
            ("definition", "the document that defines it, as text, or $text: FILE")
        };
        out.push(crate::Invalid::new(
            "/spec",
            code,
            format!("`{field}` is missing"),
            format!("{field}: {expected}"),
        ));
    }
}
