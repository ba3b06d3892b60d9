//! `GET /api/v1/objects/{kind}/{namespace}/{name}`.

use crate::{Nothing, endpoint};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Which object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Any case, singular or plural.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An object as applied, plus what the platform knows of it: `apiVersion`, `kind`, `metadata` (with `uid` and
/// `generation`), `spec`, `relations` (each with `type` and `targetRef`) and `status`. It is passed on as the text that
/// was stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectView(Box<RawValue>);

impl ObjectView {
    /// From JSON of an object.
    pub const fn new(text: Box<RawValue>) -> Self {
        Self(text)
    }

    /// JSON.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Its members; none where it is no object.
    pub fn members(&self) -> Map<String, Value> {
        serde_json::from_str(self.text()).unwrap_or_default()
    }
}

impl PartialEq for ObjectView {
    fn eq(&self, other: &Self) -> bool {
        self.members() == other.members()
    }
}

impl JsonSchema for ObjectView {
    fn schema_name() -> Cow<'static, str> {
        "ObjectView".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An object as applied, plus what the platform knows of it: `apiVersion`, `kind`, `metadata` \
                (with `uid` and `generation`), `spec`, `relations` (each with `type` and `targetRef`) and `status`.",
            "type": "object",
            "additionalProperties": true,
        })
    }
}

endpoint!(GetObject, "object.get", Get "/api/v1/objects/{kind}/{namespace}/{name}", 200, Read,
    path: Path, query: Nothing, body: Nothing, reply: ObjectView,
    "One object as it was applied, plus its relations and its status.");
