//! `Template` of the Backstage scaffolder: a golden path, as declared. What its steps do is not known here.

use crate::Invalid;
use crate::declared::{Declared, KindFacts, Ownership, Reference, Relation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a template is. Unknown fields are kept, as the scaffolder keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSpec {
    /// `service`, `website`, `library`, or a word of your own.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// What it does, in order.
    pub steps: Vec<TemplateStep>,
    /// A reference to a group (the default kind) or user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub owner: Option<String>,
    /// `experimental`, `production`, `deprecated`, or a word of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub lifecycle: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, Value>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStep {
    /// Which action, as in `fetch:template`.
    pub action: String,
    /// Its id within the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, Value>,
}

impl Declared for TemplateSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "templates",
        short: &[],
        versions: &["scaffolder.backstage.io/v1beta3"],
        namespaced: true,
        ownership: Ownership::Platform,
        references: &[Reference::to("owner", Some("group"), Relation::OwnedBy)],
    };

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn check(spec: &Value, out: &mut Vec<Invalid>) {
        check(spec, out);
    }
}

/// The form of what a template says beyond its steps' actions. Source: `Template.v1beta3` of the scaffolder.
fn check(spec: &Value, out: &mut Vec<Invalid>) {
    for (index, step) in spec["steps"].as_array().into_iter().flatten().enumerate() {
        let at = format!("/spec/steps/{index}");
        map(step, &at, "input", out);
        map(step, &at, "backstage:permissions", out);
        if let Some(when) = step.get("if")
            && !when.is_string()
            && !when.is_boolean()
        {
            out.push(wrong(&at, "if", "a text or true or false"));
        }
        let tags = &step["backstage:permissions"];
        list(tags, &format!("{at}/backstage:permissions"), "tags", Value::is_string, out);
    }
    match spec.get("parameters") {
        None | Some(Value::Object(_)) => {}
        Some(Value::Array(pages)) if pages.iter().all(Value::is_object) => {}
        Some(_) => out.push(wrong("/spec", "parameters", "a map, or a list of maps")),
    }
    for field in ["secrets", "presentation", "output", "EXPERIMENTAL_recovery"] {
        map(spec, "/spec", field, out);
    }
    map(&spec["secrets"], "/spec/secrets", "schema", out);
    map(&spec["presentation"], "/spec/presentation", "buttonLabels", out);
    for field in ["links", "text"] {
        list(&spec["output"], "/spec/output", field, Value::is_object, out);
    }
    for field in ["formDecorators", "EXPERIMENTAL_formDecorators"] {
        list(spec, "/spec", field, Value::is_object, out);
    }
}

fn map(value: &Value, path: &str, field: &str, out: &mut Vec<Invalid>) {
    if value.get(field).is_some_and(|inner| !inner.is_object()) {
        out.push(wrong(path, field, "a map of keys and values"));
    }
}

fn list(
    value: &Value,
    path: &str,
    field: &str,
    item: impl Fn(&Value) -> bool,
    out: &mut Vec<Invalid>,
) {
    match value.get(field) {
        None => {}
        Some(Value::Array(items)) if items.iter().all(item) => {}
        Some(_) => {
            let items = if field == "tags" { "a list of texts" } else { "a list of maps" };
            out.push(wrong(path, field, items));
        }
    }
}

fn wrong(path: &str, field: &str, expected: &str) -> Invalid {
    let message = format!("`{field}` is not {expected}");
    Invalid::new(crate::pointer(path, field), "schema/type", message, expected)
}
