//! The JSON Schema (2020-12) of each kind, made from the model's types.

use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use tow_model::kinds::workload::Workload;
use tow_model::{Kind, Metadata};

/// A schema and what judges by it.
pub(crate) struct Compiled {
    pub(crate) schema: Value,
    pub(crate) validator: jsonschema::Validator,
}

/// The schema of a kind, for editors and for `tow schema`: a kind's name as people type it (`Component`,
/// `components`), or `score` or `workload` for Score files. For Score files it admits the deprecated lists of files and
/// volumes too. None where there is no such kind.
pub fn schema(kind: &str) -> Option<Value> {
    if matches!(kind.to_ascii_lowercase().as_str(), "score" | "workload" | "workloads") {
        let mut schema = score_schema();
        admit_lists(&mut schema);
        return Some(schema);
    }
    Kind::parse(kind).map(manifest_schema)
}

/// What judges manifests of this kind; compiled at the first use.
pub(crate) fn of_kind(kind: Kind) -> &'static Compiled {
    static COMPILED: [OnceLock<Compiled>; Kind::ALL.len()] =
        [const { OnceLock::new() }; Kind::ALL.len()];
    let index = Kind::ALL.iter().position(|k| *k == kind).unwrap_or_default();
    COMPILED[index].get_or_init(|| compile(manifest_schema(kind)))
}

/// What judges Score documents whose files and volumes are maps; compiled at the first use.
pub(crate) fn of_score() -> &'static Compiled {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    COMPILED.get_or_init(|| compile(score_schema()))
}

fn compile(schema: Value) -> Compiled {
    let validator = jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .expect("a schema made from our own types compiles; the tests compile each");
    Compiled { schema, validator }
}

fn generator() -> schemars::SchemaGenerator {
    schemars::generate::SchemaSettings::draft2020_12().into_generator()
}

fn score_schema() -> Value {
    let mut schema = generator().into_root_schema_for::<Workload>().to_value();
    schema["title"] = json!("Score workload");
    plain(&mut schema);
    schema
}

fn manifest_schema(kind: Kind) -> Value {
    let mut generator = generator();
    let spec = kind.spec_schema(&mut generator);
    let metadata = generator.subschema_for::<Metadata>();
    let versions = kind.facts().versions;
    let mut properties = json!({
        "apiVersion": { "description": "Which version of the kind.", "type": "string", "enum": versions },
        "kind": { "description": "Which kind.", "type": "string", "const": kind.as_str() },
        "metadata": metadata,
        "spec": spec,
        "status": { "description": "Written by the platform; what is given here is not read.", "type": "object" },
    });
    if kind.is_catalog() {
        properties["relations"] = json!({ "description": "Written by the catalog; what is given here is not read.", "type": "array" });
    }
    let mut definitions = generator.take_definitions(true);
    if let Some(known) = definitions.get_mut("Metadata").and_then(|m| m.get_mut("properties")) {
        for field in ["uid", "etag"] {
            known[field] = json!({
                "description": "Written by the platform; what is given here is not read.",
                "type": "string", "minLength": 1,
            });
        }
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.as_str(),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    });
    plain(&mut schema);
    schema
}

/// Makes a schema as plain as it can be, so that an error names one thing that was meant. A field that may be left out
/// may not be null: the schemas of Score and of the catalog say so.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            members.values_mut().for_each(plain);
            if members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            if let Some(words) = members.get("oneOf").and_then(const_words) {
                members.remove("oneOf");
                members.insert("type".into(), json!("string"));
                members.insert("enum".into(), words);
            }
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|t| t != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    members.insert("type".into(), one);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                let before = choices.len();
                choices.retain(|choice| choice["type"] != "null");
                if choices.len() < before
                    && let [Value::Object(one)] = choices.as_slice()
                {
                    let one = one.clone();
                    members.remove("anyOf");
                    for (key, value) in one {
                        members.entry(key).or_insert(value);
                    }
                }
            }
        }
        _ => {}
    }
}

/// The words of a choice of constants, each with its own description: said as one enumeration.
fn const_words(choices: &Value) -> Option<Value> {
    let mut words = Vec::new();
    for choice in choices.as_array()? {
        match (&choice["const"], &choice["enum"]) {
            (word @ Value::String(_), _) => words.push(word.clone()),
            (_, Value::Array(several)) => words.extend(several.iter().cloned()),
            _ => return None,
        }
    }
    Some(Value::Array(words))
}

/// Lets `files` and `volumes` be the deprecated lists too.
fn admit_lists(schema: &mut Value) {
    for (field, def) in [("files", "File"), ("volumes", "Volume")] {
        let mut item = schema["$defs"][def].clone();
        item["properties"]["target"] =
            json!({ "type": "string", "minLength": 1, "deprecated": true });
        match &mut item["required"] {
            Value::Array(required) => required.push(json!("target")),
            none => *none = json!(["target"]),
        }
        let at = &mut schema["$defs"]["Container"]["properties"][field];
        let description = at["description"].take();
        let map = std::mem::take(at);
        let mut map: Map<String, Value> = map.as_object().cloned().unwrap_or_default();
        map.remove("description");
        *at = json!({
            "description": description,
            "anyOf": [map, { "type": "array", "deprecated": true, "items": item }],
        });
    }
}

/// The part of a schema that holds for the value at this pointer.
pub(crate) fn at<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
    let mut here = resolved(schema, schema);
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match &here["properties"][&token] {
            Value::Null if here["items"].is_object() => &here["items"],
            Value::Null => &here["additionalProperties"],
            next => next,
        };
        here = resolved(schema, next);
    }
    here
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}
