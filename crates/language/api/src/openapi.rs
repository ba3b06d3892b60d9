//! The OpenAPI 3.1 document, made from the same types by schemars alone: one pool of definitions, one operation an
//! endpoint. `openapi/tow-v1.json` is its committed text.

use crate::{Endpoint, Nothing, SESSION_COOKIE};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::any::TypeId;

/// The document. The same for the same contract, to the byte.
pub fn openapi() -> Value {
    let mut document = Document::new();
    macro_rules! all {
        (plain: [$($plain:ty),* $(,)?], special: [$($special:ty),* $(,)?]) => {
            $(document.add::<$plain>();)*
            $(document.add::<$special>();)*
        };
    }
    crate::endpoints!(all);
    document.finish()
}

/// Being put together.
struct Document {
    schemas: SchemaGenerator,
    /// Bodies and replies, under names of their endpoint's: their types' own are all `Body` and `Reply`.
    named: Map<String, Value>,
    paths: Map<String, Value>,
}

impl Document {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { schemas: settings.into_generator(), named: Map::new(), paths: Map::new() }
    }

    fn add<E: Endpoint>(&mut self)
    where
        E::Body: 'static,
        E::Reply: 'static,
    {
        let stem = stem(E::ID);
        let mut parameters = self.parameters::<E::Path>("path");
        parameters.extend(self.parameters::<E::Query>("query"));
        let mut operation = json!({
            "operationId": E::ID,
            "tags": [E::ID.split('.').next().unwrap_or_default()],
            "summary": E::DOC,
            "x-tow-action": E::ACTION.as_str(),
        });
        if E::WRITES {
            parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        }
        // The specials have a form of their own, which no type says.
        let mut reply_type = "application/json";
        match E::ID {
            "source.upload" => {
                operation["requestBody"] =
                    json!({"required": true, "content": {"application/x-tar": {}}});
            }
            "event.stream" | "log.stream" => reply_type = "text/event-stream",
            "instance.exec" => reply_type = "application/websocket",
            _ => {}
        }
        if E::ID == "event.stream" {
            parameters.push(json!({"$ref": "#/components/parameters/LastEventId"}));
        }
        if TypeId::of::<E::Body>() != TypeId::of::<Nothing>() {
            let schema = self.schema::<E::Body>(&stem);
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        let schema = self.schema::<E::Reply>(&stem);
        let description = match reply_type {
            "text/event-stream" => {
                "Server-sent events; the data of each is this, as JSON in one line."
            }
            "application/websocket" => {
                "A WebSocket with the subprotocol tow.exec.v1: text messages are this, binary ones a command's bytes."
            }
            _ => "Done.",
        };
        operation["responses"] = json!({
            E::OK.to_string(): {"description": description, "content": {reply_type: {"schema": schema}}},
            "default": {"$ref": "#/components/responses/Problem"},
        });
        let path = self.paths.entry(E::PATH).or_insert_with(|| json!({}));
        path[E::METHOD.as_str().to_ascii_lowercase()] = operation;
    }

    /// The fields of a type as parameters.
    fn parameters<T: JsonSchema>(&mut self, place: &str) -> Vec<Value> {
        let schema = T::json_schema(&mut self.schemas).to_value();
        let required: Vec<&str> = match &schema["required"] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let Some(fields) = schema["properties"].as_object() else { return Vec::new() };
        let mut out = Vec::new();
        for (name, field) in fields {
            let mut field = field.clone();
            let description = field.as_object_mut().and_then(|field| field.remove("description"));
            // What may be left out is not null when it is sent.
            let types = field.get("type").and_then(Value::as_array).cloned().unwrap_or_default();
            if let [one, null] = types.as_slice()
                && null == "null"
            {
                field["type"] = one.clone();
            }
            let required = place == "path" || required.contains(&name.as_str());
            out.push(json!({
                "name": name,
                "in": place,
                "required": required,
                "description": description,
                "schema": field,
            }));
        }
        out
    }

    /// A reference to a type's schema in the pool.
    fn schema<T: JsonSchema + 'static>(&mut self, stem: &str) -> Value {
        let name = T::schema_name();
        if !matches!(name.as_ref(), "Body" | "Reply") {
            return self.schemas.subschema_for::<T>().to_value();
        }
        let name = format!("{stem}{name}");
        let schema: Schema = T::json_schema(&mut self.schemas);
        self.named.insert(name.clone(), schema.to_value());
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn finish(mut self) -> Value {
        let problem = self.schemas.subschema_for::<tow_record::Problem>().to_value();
        let mut schemas = self.schemas.take_definitions(true);
        schemas.append(&mut self.named);
        if let Some(fields) =
            schemas.get_mut("Problem").and_then(|p| p["properties"].as_object_mut())
        {
            let kind = json!({
                "description": "A URI of the kind of problem: `urn:towpath:problem:` and the code.",
                "type": "string",
            });
            fields.insert("type".into(), kind);
        }
        schemas.sort_keys();
        self.paths.sort_keys();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Towpath",
                "version": "1",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                "description": "Plan, deploy, observe and take back. Every write takes an idempotency key; \
                    every error is a problem of RFC 9457 with a stable code.",
            },
            "security": [{"token": []}, {"session": []}],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "parameters": {
                    "IdempotencyKey": {
                        "name": "Idempotency-Key",
                        "in": "header",
                        "description": "1 to 200 visible ASCII characters. The same key with the same request is \
                            done once and answered alike for 24 hours.",
                        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
                    },
                    "LastEventId": {
                        "name": "Last-Event-ID",
                        "in": "header",
                        "description": "The last event that arrived: the stream goes on after it.",
                        "schema": {"type": "string"},
                    },
                },
                "responses": {
                    "Problem": {
                        "description": "It was not done; the problem says why, and what was left as it was.",
                        "content": {"application/problem+json": {"schema": problem}},
                    },
                },
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                },
            },
        })
    }
}

/// `sign-in-link.create` → `SignInLinkCreate`.
fn stem(id: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    id.split(['.', '-']).map(capital).collect::<Vec<String>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The golden file; `TOW_BLESS=1` rewrites it.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    fn the_document_is_the_committed_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../openapi/tow-v1.json");
        let text = format!("{:#}\n", openapi());
        if std::env::var_os("TOW_BLESS").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../openapi"))
                .unwrap();
            std::fs::write(path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(path).unwrap_or_default();
        let differs = golden.lines().zip(text.lines()).position(|(old, new)| old != new);
        assert!(
            golden == text,
            "openapi/tow-v1.json differs from the contract, first in line {:?}: TOW_BLESS=1 rewrites it",
            differs.map(|line| line + 1)
        );
    }

    #[test]
    fn every_reference_has_its_definition() {
        fn references(value: &Value, out: &mut BTreeSet<String>) {
            match value {
                Value::Object(fields) => {
                    out.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_string));
                    fields.values().for_each(|value| references(value, out));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, out)),
                _ => {}
            }
        }
        let document = openapi();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_path_parameter_is_declared_and_ids_are_unique() {
        let document = openapi();
        let mut ids = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for operation in methods.as_object().unwrap().values() {
                assert!(ids.insert(operation["operationId"].to_string()), "{path}");
                let none = Vec::new();
                let declared: BTreeSet<&str> = operation["parameters"]
                    .as_array()
                    .unwrap_or(&none)
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .filter_map(|parameter| parameter["name"].as_str())
                    .collect();
                let written: BTreeSet<&str> = path
                    .split('/')
                    .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                    .collect();
                assert_eq!(declared, written, "{path}");
            }
        }
        assert!(ids.len() >= 23);
    }
}
