//! `AiResource` of the Backstage catalog: what an AI assistant is given.

use crate::Invalid;
use crate::catalog::{text, texts};
use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What it is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiResourceSpec {
    /// `skill`, `rule`, `plugin`, `marketplace`, or a word of your own.
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
    /// What a skill depends on: references whose kind is `airesource` where they say none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// What a plugin is made of; may be empty, must be there for that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<String>>,
    /// What a marketplace offers; may be empty, must be there for that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Vec<String>>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, Value>,
}

impl Declared for AiResourceSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "airesources",
        short: &["ai"],
        versions: &["backstage.io/v1alpha1"],
        namespaced: true,
        ownership: Ownership::Owner,
        references: &[
            Reference::to("owner", Some("group"), Relation::OwnedBy),
            Reference::to("system", Some("system"), Relation::PartOf),
            Reference::to("dependsOn", Some("airesource"), Relation::DependsOn),
            Reference::to("skills", Some("airesource"), Relation::HasPart),
            Reference::to("plugins", Some("airesource"), Relation::HasPart),
        ],
    };

    fn owner(&self) -> Option<&str> {
        Some(&self.owner)
    }

    fn check(spec: &Value, out: &mut Vec<Invalid>) {
        check(spec, out);
    }
}

/// The most characters of a skill's `compatibility`, as Backstage counts them: in UTF-16 units.
const LONGEST_COMPATIBILITY: usize = 500;

/// What the types that the catalog knows ask for beyond the kind. Source: the schemas `AiResource.*` of the catalog's
/// model for AI.
fn check(spec: &Value, out: &mut Vec<Invalid>) {
    match spec["type"].as_str() {
        Some("skill") => {
            for field in ["disciplines", "categories", "agents"] {
                texts(spec, "/spec", field, false, out);
            }
            for field in ["allowedTools", "license", "compatibility"] {
                text(spec, "/spec", field, false, out);
            }
            let length = spec["compatibility"].as_str().map_or(0, |t| t.encode_utf16().count());
            if length > LONGEST_COMPATIBILITY {
                out.push(Invalid::new(
                    "/spec/compatibility",
                    "schema/format",
                    format!("`compatibility` has {length} characters"),
                    format!("at most {LONGEST_COMPATIBILITY} characters"),
                ));
            }
        }
        Some("rule") => {
            for field in ["category", "rationale"] {
                text(spec, "/spec", field, true, out);
            }
            texts(spec, "/spec", "disciplines", false, out);
        }
        Some(kind @ ("plugin" | "marketplace")) => {
            let field = if kind == "plugin" { "skills" } else { "plugins" };
            if spec.get(field).is_none() {
                texts(spec, "/spec", field, true, out);
            }
            text(spec, "/spec", "version", false, out);
        }
        _ => {}
    }
}
