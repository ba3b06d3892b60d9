//! The field formats of the Backstage catalog, which all our kinds keep, and its references.
//!
//! Source: `@backstage/catalog-model`, `FieldFormatEntityPolicy`, and the reference fields of its kinds.

use crate::{Invalid, Kind, Reference, pointer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tow_names::{EntityRef, Name, Namespace, is_absolute_url};

pub(crate) fn check(kind: Kind, document: &Value, out: &mut Vec<Invalid>) {
    let metadata = &document["metadata"];
    labels(metadata, out);
    tags(metadata, out);
    links(metadata, out);
    if kind.is_catalog() {
        same_but_for_case(document, "", out);
    } else {
        same_but_for_case(metadata, "/metadata", out);
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
            Value::String(text) => reference(&path, text, *default, &namespace, out),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::String(text) = item {
                        reference(&format!("{path}/{index}"), text, *default, &namespace, out);
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

fn reference(
    path: &str,
    text: &str,
    default: Option<&str>,
    namespace: &Namespace,
    out: &mut Vec<Invalid>,
) {
    if let Err(error) = EntityRef::parse(text, default, namespace) {
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
        for field in ["title", "icon", "type"] {
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

/// Two keys of one object that differ only in case are an error of the catalog, at any depth.
fn same_but_for_case(value: &Value, path: &str, out: &mut Vec<Invalid>) {
    match value {
        Value::Object(members) => {
            clashes(members, path, out);
            for (key, member) in members {
                same_but_for_case(member, &pointer(path, key), out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                same_but_for_case(item, &format!("{path}/{index}"), out);
            }
        }
        _ => {}
    }
}

fn clashes(members: &Map<String, Value>, path: &str, out: &mut Vec<Invalid>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    if path == "/metadata" && !members.contains_key("namespace") {
        // It is there even where nobody wrote it.
        seen.insert("namespace".into(), "namespace");
    }
    for key in members.keys() {
        if let Some(first) = seen.insert(key.to_lowercase(), key) {
            out.push(
                Invalid::new(
                    pointer(path, key),
                    "catalog/key-case",
                    format!("the keys {first:?} and {key:?} differ only in case"),
                    "keys that differ in more than case",
                )
                .at_key(),
            );
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
