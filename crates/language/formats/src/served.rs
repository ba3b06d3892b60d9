//! An object as it is served: the text that was stored, with what the platform knows of it put in, without reading it
//! into a type and writing it out again; and the selection of fields.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What is put into an object.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// Of `metadata`: names and their values. What was written under the same name gives way.
    pub metadata: &'a [(&'a str, Value)],
    /// Type and target, in the order they are served in; none: the key is left out.
    pub relations: Option<&'a [(&'a str, String)]>,
    /// JSON; none: the key is left out.
    pub status: Option<&'a str>,
}

/// The parts of a stored object, as they stand.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(rename = "apiVersion", borrow)]
    version: &'a RawValue,
    #[serde(borrow)]
    kind: &'a RawValue,
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    spec: &'a RawValue,
}

/// What stands before the members of an object's metadata.
const METADATA: &str = "\"metadata\":{";
/// The version and the kind before it are no longer than this.
const HEAD: usize = 200;

/// `body`, JSON of a manifest as we write it, with what is known put in: JSON again.
pub fn served(body: &str, known: &Known<'_>) -> Result<Box<RawValue>, serde_json::Error> {
    let mut out =
        String::with_capacity(body.len() + 64 * (8 + known.relations.map_or(0, <[_]>::len)));
    let inside = body.find(METADATA).map(|at| at + METADATA.len()).filter(|at| *at < HEAD);
    let clashes = known.metadata.iter().any(|(name, _)| body.contains(&format!("\"{name}\"")));
    match (inside, body.strip_suffix('}')) {
        (Some(at), Some(open)) if !clashes => {
            // It always has a name, so something follows.
            out.push_str(&open[..at]);
            for (name, value) in known.metadata {
                out.push_str(&format!("\"{name}\":{value},"));
            }
            out.push_str(&open[at..]);
        }
        _ => parted(body, known, &mut out)?,
    }
    if let Some(relations) = known.relations {
        out.push_str(",\"relations\":[");
        for (index, (kind, target)) in relations.iter().enumerate() {
            out.push_str(if index == 0 { "{\"type\":\"" } else { ",{\"type\":\"" });
            out.push_str(kind);
            out.push_str("\",\"targetRef\":");
            if target.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
                out.push('"');
                out.push_str(target);
                out.push('"');
            } else {
                out.push_str(&Value::from(target.as_str()).to_string());
            }
            out.push('}');
        }
        out.push(']');
    }
    if let Some(status) = known.status {
        out.push_str(",\"status\":");
        out.push_str(status);
    }
    out.push('}');
    RawValue::from_string(out)
}

/// The slow way, part by part, without the last bracket.
fn parted(body: &str, known: &Known<'_>, out: &mut String) -> Result<(), serde_json::Error> {
    let parts: Parts<'_> = serde_json::from_str(body)?;
    out.push_str("{\"apiVersion\":");
    out.push_str(parts.version.get());
    out.push_str(",\"kind\":");
    out.push_str(parts.kind.get());
    out.push_str(",\"metadata\":");
    metadata(parts.metadata.get(), known.metadata, out)?;
    out.push_str(",\"spec\":");
    out.push_str(parts.spec.get());
    Ok(())
}

fn metadata(
    text: &str,
    known: &[(&str, Value)],
    out: &mut String,
) -> Result<(), serde_json::Error> {
    let mut members: Map<String, Value> = serde_json::from_str(text)?;
    for (name, value) in known {
        members.insert((*name).to_string(), value.clone());
    }
    out.push_str(&serde_json::to_string(&members)?);
    Ok(())
}

/// Only these fields of a served object. A field is a path with dots; where a part of it is not there it is read together
/// with the next, so that `metadata.annotations.example.org/id` finds its way. What is not there is left out.
pub fn selected(object: &Value, fields: &[String]) -> Value {
    let mut out = Value::Object(Map::new());
    for field in fields {
        let Some((path, value)) = found(object, field) else { continue };
        let mut place = &mut out;
        for part in &path[..path.len() - 1] {
            let Value::Object(members) = place else { break };
            place = members.entry(part.clone()).or_insert_with(|| Value::Object(Map::new()));
        }
        if let (Value::Object(members), Some(last)) = (place, path.last()) {
            members.insert(last.clone(), value.clone());
        }
    }
    out
}

fn found<'v>(object: &'v Value, field: &str) -> Option<(Vec<String>, &'v Value)> {
    let (mut path, mut value, mut name) = (Vec::new(), object, String::new());
    for part in field.split('.') {
        name.push_str(part);
        match value.as_object().and_then(|members| members.get(&name)) {
            Some(member) => {
                path.push(std::mem::take(&mut name));
                value = member;
            }
            None => name.push('.'),
        }
    }
    (name.is_empty() && !path.is_empty()).then_some((path, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BODY: &str = r#"{"apiVersion":"v1","kind":"Component","metadata":{"name":"web","tags":["a"]},"spec":{"n":1.0}}"#;

    #[test]
    fn what_is_known_is_put_in_and_the_rest_stays_as_it_stands() {
        let relations = [("ownedBy", "group:default/quay".to_string())];
        let known = Known {
            metadata: &[("uid", json!("u\"1")), ("generation", json!(2))],
            relations: Some(&relations),
            status: Some("{\"items\":[]}"),
        };
        assert_eq!(
            served(BODY, &known).unwrap().get(),
            r#"{"apiVersion":"v1","kind":"Component","metadata":{"uid":"u\"1","generation":2,"name":"web","tags":["a"]},"spec":{"n":1.0},"relations":[{"type":"ownedBy","targetRef":"group:default/quay"}],"status":{"items":[]}}"#
        );
        let odd = [("dependsOn", "component:default/a\"b é".to_string())];
        let known = Known { relations: Some(&odd), ..known };
        let told: Value = serde_json::from_str(served(BODY, &known).unwrap().get()).unwrap();
        assert_eq!(told["relations"][0]["targetRef"], "component:default/a\"b é");
        let own = BODY.replace("\"tags\"", "\"uid\":\"mine\",\"x\"");
        let told: Value = serde_json::from_str(served(&own, &known).unwrap().get()).unwrap();
        assert_eq!(told["metadata"]["uid"], "u\"1");
        assert_eq!(told["metadata"]["x"], json!(["a"]));
        assert!(served("{}", &known).is_err());
        let broken = Known { status: Some("{"), ..known };
        assert!(served(BODY, &broken).is_err());
    }

    #[test]
    fn fields_are_paths_whose_parts_may_hold_dots() {
        let object = json!({
            "kind": "Component",
            "metadata": { "annotations": { "example.org/id": 1, "a.b.c": null }, "tags": ["x"] },
        });
        let fields = [
            "kind",
            "metadata.annotations.example.org/id",
            "metadata.annotations.a.b.c",
            "metadata.no",
            "kind.no",
            "x",
        ];
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        assert_eq!(
            selected(&object, &fields),
            json!({ "kind": "Component", "metadata": { "annotations": { "example.org/id": 1, "a.b.c": null } } })
        );
        assert_eq!(selected(&object, &["nothing".into()]), json!({}));
    }
}
