//! What the platform has to say of a declared object that is not right: the items of its `status`, in the form of the
//! Backstage catalog.

use crate::Violation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `type` of what went wrong while an object was read or refreshed, as in Backstage.
pub const CATALOG_PROCESSING: &str = "backstage.io/catalog-processing";

/// How bad it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Level {
    Info,
    Warning,
    Error,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusItem {
    /// What it is about, such as [`CATALOG_PROCESSING`].
    #[serde(rename = "type")]
    pub kind: String,
    /// How bad it is.
    pub level: Level,
    /// For people.
    pub message: String,
    /// The error, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
}

/// An error as Backstage writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemError {
    /// A word for programs: our code, such as `location/unreachable`.
    pub name: String,
    /// What happened.
    pub message: String,
}

impl StatusItem {
    /// Something of a location or an object that could not be read or kept; `code` as in [`crate::CODES`].
    pub fn processing(level: Level, code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = ItemError { name: code.into(), message: message.clone() };
        Self {
            kind: CATALOG_PROCESSING.into(),
            level,
            message: format!("{code}: {message}"),
            error: (level == Level::Error).then_some(error),
        }
    }

    /// A broken rule, with the place it is at.
    pub fn violation(violation: &Violation) -> Self {
        let at = violation.source.as_ref();
        let at = at.map_or(String::new(), |s| format!("{}:{}:{}: ", s.file, s.line, s.col));
        let hint = violation.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
        let expected = match violation.expected.as_str() {
            "" => String::new(),
            expected => format!("; expected {expected}"),
        };
        let message = format!("{at}{}{expected}{hint}", violation.message);
        Self::processing(Level::Error, &violation.code, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_the_form_of_the_catalog() {
        let item = StatusItem::processing(Level::Error, "location/unreachable", "nobody answers");
        assert_eq!(
            serde_json::to_value(item).unwrap(),
            serde_json::json!({
                "type": "backstage.io/catalog-processing", "level": "error",
                "message": "location/unreachable: nobody answers",
                "error": { "name": "location/unreachable", "message": "nobody answers" },
            })
        );
    }
}
