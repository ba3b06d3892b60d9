//! What placeholders of a Score file refer to: names of its own metadata and of its resources. Whether a resource has
//! such an output is known only to its recipe, at plan time.

use crate::{Invalid, placeholder, pointer};
use serde_json::Value;

/// Nobody reads more than so many.
const ENOUGH: usize = 1000;

/// Checks every text of `containers.*.{variables.*, files.*.content, volumes.*.source}` and, at any depth, of
/// `resources.*.params`: the places where placeholders are filled in.
pub(super) fn check(document: &Value, out: &mut Vec<Invalid>) {
    let each = |parent: &Value, path: &str, out: &mut Vec<Invalid>, visit: Visit<'_>| {
        for (key, value) in parent.as_object().into_iter().flatten() {
            visit(&pointer(path, key), value, out);
        }
    };
    each(&document["containers"], "/containers", out, &|path, container, out| {
        each(&container["variables"], &format!("{path}/variables"), out, &|path, value, out| {
            text(document, path, value, out);
        });
        each(&container["files"], &format!("{path}/files"), out, &|path, file, out| {
            if file["noExpand"] != Value::Bool(true) {
                text(document, &format!("{path}/content"), &file["content"], out);
            }
        });
        each(&container["volumes"], &format!("{path}/volumes"), out, &|path, volume, out| {
            text(document, &format!("{path}/source"), &volume["source"], out);
        });
    });
    each(&document["resources"], "/resources", out, &|path, resource, out| {
        deep(document, &format!("{path}/params"), &resource["params"], out);
    });
}

type Visit<'a> = &'a dyn Fn(&str, &Value, &mut Vec<Invalid>);

fn deep(document: &Value, path: &str, value: &Value, out: &mut Vec<Invalid>) {
    match value {
        Value::String(_) => text(document, path, value, out),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                deep(document, &format!("{path}/{index}"), item, out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                deep(document, &pointer(path, key), member, out);
            }
        }
        _ => {}
    }
}

fn text(document: &Value, path: &str, value: &Value, out: &mut Vec<Invalid>) {
    let Value::String(text) = value else { return };
    let (mut byte, mut offset) = (0, 0);
    for (range, found) in placeholder::find(text) {
        if out.len() > ENOUGH {
            return;
        }
        let written = &text[range.clone()];
        offset += text[byte..range.start].chars().count();
        byte = range.start;
        let length = written.chars().count();
        let refused = match found {
            Err(error) => Some(
                Invalid::new(
                    path,
                    "score/placeholder-syntax",
                    error.message,
                    "${metadata.KEY} or ${resources.NAME.KEY}",
                )
                .hint("write $${…} for a text that only looks like a placeholder"),
            ),
            Ok(parts) => refers(document, path, written, &parts),
        };
        out.extend(refused.map(|invalid| invalid.inside(offset, length)));
    }
}

fn refers(document: &Value, path: &str, written: &str, parts: &[String]) -> Option<Invalid> {
    match parts {
        [root, keys @ ..] if root == "metadata" => {
            if keys.is_empty() {
                return Some(Invalid::new(
                    path,
                    "score/placeholder-incomplete",
                    format!("{written} names no key of metadata"),
                    "${metadata.KEY}",
                ));
            }
            let mut at = &document["metadata"];
            for key in keys {
                let Some(next) = at.get(key.as_str()) else {
                    return Some(
                        Invalid::new(
                            path,
                            "score/placeholder-unknown",
                            format!("{written} refers to a key that metadata doesn't have"),
                            known("one of", at),
                        )
                        .hint("a dot within a key is written \\."),
                    );
                };
                at = next;
            }
            None
        }
        [root, keys @ ..] if root == "resources" => {
            let Some(name) = keys.first() else {
                return Some(Invalid::new(
                    path,
                    "score/placeholder-incomplete",
                    format!("{written} names no resource"),
                    "${resources.NAME.KEY}",
                ));
            };
            if document["resources"].get(name.as_str()).is_none() {
                return Some(
                    Invalid::new(
                        path,
                        "score/placeholder-unknown",
                        format!("{written} refers to the resource {name:?}, which is not declared"),
                        known("a key of resources:", &document["resources"]),
                    )
                    .hint(format!("declare it: resources: {{{name}: {{type: …}}}}")),
                );
            }
            None
        }
        _ => {
            let root = parts.first().map(|root| root.to_lowercase()).unwrap_or_default();
            let hint = match root.as_str() {
                "resource" | "resources" | "res" => "did you mean ${resources.…}?",
                "metadata" | "meta" => "did you mean ${metadata.…}?",
                _ => "write $${…} for a text that only looks like a placeholder",
            };
            let invalid = Invalid::new(
                path,
                "score/placeholder-root",
                format!("{written} begins with neither metadata nor resources"),
                "${metadata.KEY} or ${resources.NAME.KEY}",
            );
            Some(invalid.hint(hint))
        }
    }
}

/// The keys of an object, as what was expected.
fn known(lead: &str, object: &Value) -> String {
    let keys: Vec<&str> =
        object.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).take(20).collect();
    if keys.is_empty() {
        "a declared name; there is none here".into()
    } else {
        format!("{lead} {}", keys.join(", "))
    }
}
