//! The field formats of the Backstage catalog, which all our kinds keep, and its references.
//!
//! Source: `@backstage/catalog-model`, `FieldFormatEntityPolicy`, and the reference fields of its kinds.

use crate::{Invalid, Kind, Reference, pointer};
use serde_json::Value;
use std::collections::BTreeMap;
use tow_names::{EntityRef, Name, Namespace, canonical_ref, is_absolute_url};

pub(crate) fn check(kind: Kind, document: &Value, out: &mut Vec<Invalid>) {
    let metadata = &document["metadata"];
    labels(metadata, out);
    tags(metadata, out);
    links(metadata, out);
    if kind.is_catalog() {
        Keys::default().visit(document, "", out);
        written(document, out);
    } else {
        Keys::default().enter("metadata").1.visit(metadata, "/metadata", out);
    }
    let namespace = metadata["namespace"]
        .as_str()
        .and_then(|text| Namespace::new(text).ok())
        .unwrap_or_default();
    for Reference { field, kind: default, .. } in kind.facts().references {
        let path = format!("/spec/{field}");
        match &document["spec"][*field] {
            // An empty text in a field is refused by the schema, in a list by the reference's own rule.
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => reference(kind, &path, text, *default, &namespace, out),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::String(text) = item {
                        reference(
                            kind,
                            &format!("{path}/{index}"),
                            text,
                            *default,
                            &namespace,
                            out,
                        );
                    }
                }
            }
            _ => {}
        }
    }
    if !kind.facts().namespaced && namespace.as_str() != "default" {
        out.push(
            Invalid::new(
                "/metadata/namespace",
                "object/not-namespaced",
                format!("a {kind} has no namespace"),
                "no namespace",
            )
            .hint("names of this kind are unique in the whole platform"),
        );
    }
}

/// A catalog kind may name what no entity here could be called, as in Backstage; our own kinds name what can be there.
fn reference(
    kind: Kind,
    path: &str,
    text: &str,
    default: Option<&str>,
    namespace: &Namespace,
    out: &mut Vec<Invalid>,
) {
    let read = if kind.is_catalog() {
        canonical_ref(text, default, namespace).map(|_| ())
    } else {
        EntityRef::parse(text, default, namespace).map(|_| ())
    };
    if let Err(error) = read {
        let example = default.unwrap_or("component");
        let invalid = Invalid::new(
            path,
            "catalog/reference",
            format!("{text:?} is not a reference"),
            error.expected,
        );
        out.push(invalid.hint(format!("as in {example}:default/name")));
    }
}

fn labels(metadata: &Value, out: &mut Vec<Invalid>) {
    for field in ["labels", "annotations"] {
        for (key, value) in metadata[field].as_object().into_iter().flatten() {
            let path = pointer(&format!("/metadata/{field}"), key);
            if !is_label_key(key) {
                out.push(
                    Invalid::new(
                        path.clone(),
                        "catalog/label-key",
                        format!("{key:?} is not a key of {field}"),
                        "an optional lower-case host name and /, then 1 to 63 letters, digits, '-', '_' or '.'",
                    )
                    .at_key(),
                );
            }
            if field == "labels"
                && let Value::String(text) = value
                && !text.is_empty()
                && Name::new(text.as_str()).is_err()
            {
                out.push(
                    Invalid::new(
                        path,
                        "catalog/label-value",
                        format!("{text:?} is not a label's value"),
                        "nothing, or 1 to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit",
                    )
                    .hint("longer texts go under annotations"),
                );
            }
        }
    }
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let host = |text: &str| text.len() <= 253 && text.split('.').all(|l| Namespace::new(l).is_ok());
    prefix.is_none_or(host) && Name::new(name).is_ok()
}

fn tags(metadata: &Value, out: &mut Vec<Invalid>) {
    for (index, tag) in metadata["tags"].as_array().into_iter().flatten().enumerate() {
        if let Value::String(tag) = tag
            && !is_tag(tag)
        {
            out.push(Invalid::new(
                format!("/metadata/tags/{index}"),
                "catalog/tag",
                format!("{tag:?} is not a tag"),
                "1 to 63 lower-case letters, digits, ':', '+' or '#', in words joined by '-'",
            ));
        }
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b":+#".contains(&b);
    (1..=63).contains(&tag.len())
        && tag.bytes().all(|b| word(b) || b == b'-')
        && !tag.starts_with('-')
        && !tag.ends_with('-')
        && !tag.contains("--")
}

fn links(metadata: &Value, out: &mut Vec<Invalid>) {
    for (index, link) in metadata["links"].as_array().into_iter().flatten().enumerate() {
        let path = format!("/metadata/links/{index}");
        if let Some(url) = link["url"].as_str()
            && !is_absolute_url(url)
        {
            out.push(Invalid::new(
                format!("{path}/url"),
                "catalog/link-url",
                format!("{url:?} is not an absolute URL"),
                "a URL with its scheme, as in https://example.org/runbook",
            ));
        }
        for field in ["title", "icon"] {
            if link[field].as_str().is_some_and(|text| text.trim().is_empty()) {
                out.push(Invalid::new(
                    format!("{path}/{field}"),
                    "catalog/link-blank",
                    format!("the link's {field} is blank"),
                    "a text, or no such field",
                ));
            }
        }
    }
}

/// The keys that were met at one path, lower case: two of one entity that differ only in case are an error of the
/// catalog, at any depth. The items of a list share their path, as they do where they are searched.
#[derive(Default)]
struct Keys(BTreeMap<String, (String, Self)>);

impl Keys {
    /// The key as it was first met, and what is below it.
    fn enter(&mut self, key: &str) -> &mut (String, Self) {
        self.0.entry(key.to_lowercase()).or_insert_with(|| (key.to_string(), Self::default()))
    }

    fn visit(&mut self, value: &Value, path: &str, out: &mut Vec<Invalid>) {
        match value {
            Value::Object(members) => {
                if path == "/metadata" && !members.contains_key("namespace") {
                    // It is there even where nobody wrote it.
                    self.enter("namespace");
                }
                for (key, member) in members {
                    // What the catalog itself writes is not read, whatever its keys are.
                    let written = path.is_empty() && matches!(key.as_str(), "relations" | "status");
                    let path = pointer(path, key);
                    let (first, below) = self.enter(key);
                    if first != key {
                        out.push(
                            Invalid::new(
                                path.clone(),
                                "catalog/key-case",
                                format!("the keys {first:?} and {key:?} differ only in case"),
                                "keys that differ in more than case",
                            )
                            .at_key(),
                        );
                    }
                    if !written {
                        below.visit(member, &path, out);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(item, &format!("{path}/{index}"), out);
                }
            }
            _ => {}
        }
    }
}

/// `relations` and `status`: written by the catalog, not read here, but of their form where they stand.
fn written(document: &Value, out: &mut Vec<Invalid>) {
    for (index, relation) in document["relations"].as_array().into_iter().flatten().enumerate() {
        let path = format!("/relations/{index}");
        shape(relation, &path, &[("type", true), ("targetRef", true)], true, out);
        if let Some(word) = relation["type"].as_str()
            && !word.is_empty()
            && !word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            out.push(Invalid::new(
                format!("{path}/type"),
                "schema/format",
                format!("{word:?} is not the name of a relation"),
                "letters, digits and '_', as in dependsOn",
            ));
        }
    }
    let items = &document["status"]["items"];
    if !items.is_null() && !items.is_array() {
        out.push(Invalid::new("/status/items", "schema/type", "`items` is not a list", "a list"));
    }
    for (index, item) in items.as_array().into_iter().flatten().enumerate() {
        let path = format!("/status/items/{index}");
        shape(item, &path, &[("type", true), ("level", true), ("message", true)], false, out);
        if let Some(level) = item["level"].as_str()
            && !level.is_empty()
            && !["info", "warning", "error"].contains(&level)
        {
            out.push(Invalid::new(
                format!("{path}/level"),
                "schema/choice",
                format!("{level:?} is not valid for `level`"),
                "one of info, warning, error",
            ));
        }
        if item.get("error").is_some() {
            let path = format!("{path}/error");
            let fields = [("name", true), ("message", true), ("code", false), ("stack", false)];
            shape(&item["error"], &path, &fields, false, out);
        }
    }
}

/// A map whose fields are texts that are not empty; `true`: has to be there. Where it is closed, no others are.
pub(crate) fn shape(
    value: &Value,
    path: &str,
    fields: &[(&str, bool)],
    closed: bool,
    out: &mut Vec<Invalid>,
) {
    let Some(members) = value.as_object() else {
        out.push(Invalid::new(path, "schema/type", "it is not a map", "a map of keys and values"));
        return;
    };
    for (field, needed) in fields {
        text(value, path, field, *needed, out);
    }
    for key in members.keys().filter(|key| closed && fields.iter().all(|(f, _)| f != key)) {
        let known: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
        out.push(
            Invalid::new(
                pointer(path, key),
                "schema/unknown-field",
                format!("unknown field `{key}`"),
                format!("one of {}", known.join(", ")),
            )
            .at_key(),
        );
    }
}

/// A field that is a text and not empty, where it is there; `needed`: it has to be.
pub(crate) fn text(value: &Value, path: &str, field: &str, needed: bool, out: &mut Vec<Invalid>) {
    let at = pointer(path, field);
    match value.get(field) {
        None if needed => out.push(Invalid::new(
            path,
            "schema/missing-field",
            format!("`{field}` is missing"),
            format!("{field}: a text that is not empty"),
        )),
        Some(Value::String(text)) if text.is_empty() => out.push(Invalid::new(
            at,
            "schema/format",
            format!("`{field}` is empty"),
            "a text that is not empty",
        )),
        None | Some(Value::String(_)) => {}
        Some(_) => {
            out.push(Invalid::new(at, "schema/type", format!("`{field}` is not a text"), "a text"))
        }
    }
}

/// A field that is a list of texts, none of them empty, where it is there; `needed`: it has to be.
pub(crate) fn texts(value: &Value, path: &str, field: &str, needed: bool, out: &mut Vec<Invalid>) {
    let at = pointer(path, field);
    match value.get(field) {
        None if needed => out.push(Invalid::new(
            path,
            "schema/missing-field",
            format!("`{field}` is missing"),
            format!("{field}: a list of texts, which may be empty"),
        )),
        None => {}
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let (code, message) = match item {
                    Value::String(text) if !text.is_empty() => continue,
                    Value::String(_) => {
                        ("schema/format", format!("item {index} of {field} is empty"))
                    }
                    _ => ("schema/type", format!("item {index} of {field} is not a text")),
                };
                let expected = "a text that is not empty";
                out.push(Invalid::new(format!("{at}/{index}"), code, message, expected));
            }
        }
        Some(_) => {
            out.push(Invalid::new(at, "schema/type", format!("`{field}` is not a list"), "a list"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_keep_the_backstage_rule() {
        for good in ["a", "example.org/a", "A.b_c-9", "x-y.z/Q"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "A.org/x", "-a", "a..b/x"] {
            assert!(!is_label_key(bad), "{bad}");
        }
    }

    #[test]
    fn tags_keep_the_backstage_rule() {
        for good in ["java", "c++", "c#", "a:b", "a-b"] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", "Java", "-a", "a-", "a--b", "a b", "é"] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
