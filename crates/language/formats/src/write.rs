//! Values → text, for `-o yaml` and `-o json`.

use serde_json::Value;
use tow_model::Manifest;

/// The object as it was applied, with what was left out still left out.
pub fn to_json(manifest: &Manifest) -> Value {
    serde_json::to_value(manifest).unwrap_or_default()
}

/// The value as a YAML document that [`crate::read`] and older readers alike read back as the same value: texts that
/// one of them could take for something else are quoted.
pub fn to_yaml(value: &Value) -> String {
    // JSON is YAML: a value that the writer refuses is still written.
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"))
}
