//! The rules of a Score file that its schema's words can't say well. They read the document as written and pass over
//! what is not of the expected shape, so that one wrong field hides no other.

use super::{paths, references};
use crate::{Invalid, pointer};
use base64::Engine as _;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The broken rules of a Score document whose `files` and `volumes` are maps: one content per file, base64, probes
/// that ask something, an order of containers that can be kept, placeholders that refer to something.
pub fn check(document: &Value) -> Vec<Invalid> {
    let mut out = Vec::new();
    let containers = members(&document["containers"]);
    for (name, container) in containers {
        let path = pointer("/containers", name);
        paths::image(&path, &container["image"], &mut out);
        for (target, file) in members(&container["files"]) {
            let path = paths::at(&path, "files", target);
            check_file(&path, target, file, &mut out);
            paths::target(&path, target, "file", &mut out);
        }
        for (target, volume) in members(&container["volumes"]) {
            let path = paths::at(&path, "volumes", target);
            if target.trim().is_empty() {
                out.push(target_missing(&path, "volume"));
            }
            paths::target(&path, target, "volume", &mut out);
            paths::volume(&path, volume, &mut out);
        }
        for key in ["livenessProbe", "readinessProbe"] {
            let probe = &container[key];
            if probe.is_object() && probe.get("httpGet").is_none() && probe.get("exec").is_none() {
                out.push(Invalid::new(
                    format!("{path}/{key}"),
                    "score/probe-empty",
                    format!("{key} asks nothing"),
                    "at least one of httpGet, exec",
                ));
            }
        }
    }
    check_order(containers, &mut out);
    references::check(document, &mut out);
    out
}

fn members(value: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE)
}

fn target_missing(path: &str, what: &str) -> Invalid {
    Invalid::new(
        path,
        "score/target-empty",
        format!("the {what} has an empty target"),
        "a path in the container",
    )
    .at_key()
}

fn check_file(path: &str, target: &str, file: &Value, out: &mut Vec<Invalid>) {
    if target.trim().is_empty() {
        out.push(target_missing(path, "file"));
    }
    let Some(fields) = file.as_object() else { return };
    let given: Vec<&str> = fields
        .keys()
        .map(String::as_str)
        .filter(|key| matches!(*key, "source" | "content" | "binaryContent"))
        .collect();
    match given.as_slice() {
        [_] => {}
        [] => out.push(Invalid::new(
            path,
            "score/file-content",
            format!("the file {target} has no content"),
            "exactly one of source, content, binaryContent",
        )),
        [_, second, ..] => out.push(
            Invalid::new(
                format!("{path}/{second}"),
                "score/file-content",
                format!("the file {target} has {}", given.join(" and ")),
                "exactly one of source, content, binaryContent",
            )
            .at_key(),
        ),
    }
    if let Some(Value::String(text)) = fields.get("binaryContent") {
        let packed: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        if base64::engine::general_purpose::STANDARD.decode(packed).is_err() {
            out.push(Invalid::new(
                format!("{path}/binaryContent"),
                "score/base64",
                format!("binaryContent of the file {target} is not base64"),
                "standard base64 with its padding, as in \"AAECAw==\"",
            ));
        }
    }
}

/// `A.before.B`: A is another container than B, B exists, and nothing waits for itself.
fn check_order(containers: &Map<String, Value>, out: &mut Vec<Invalid>) {
    let mut after: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, container) in containers {
        let path = format!("{}/before", pointer("/containers", name));
        for other in members(&container["before"]).keys() {
            let path = pointer(&path, other);
            if other == name {
                out.push(
                    Invalid::new(
                        path,
                        "score/before-self",
                        format!("the container {name} is to start before itself"),
                        "the name of another container",
                    )
                    .at_key(),
                );
            } else if !containers.contains_key(other) {
                let others: Vec<&str> = containers
                    .keys()
                    .map(String::as_str)
                    .filter(|other| *other != name)
                    .take(20)
                    .collect();
                let expected = if others.is_empty() {
                    "the name of another container; there is no other".to_string()
                } else {
                    format!("another container: {}", others.join(", "))
                };
                out.push(
                    Invalid::new(
                        path,
                        "score/before-unknown",
                        format!("{name} is to start before {other:?}, which is no container here"),
                        expected,
                    )
                    .at_key(),
                );
            } else {
                after.entry(name).or_default().insert(other);
            }
        }
    }
    if let Some((first, second)) = cycle(&after) {
        let path = pointer(&format!("{}/before", pointer("/containers", first)), second);
        out.push(
            Invalid::new(
                path,
                "score/before-cycle",
                format!("{first} is to start before {second}, and {second} before {first}"),
                "an order in which every container can start",
            )
            .at_key()
            .hint("take one of the entries of before out of the circle"),
        );
    }
}

/// An edge of a circle, if there is one: takes away what waits for nothing until nothing more goes.
fn cycle<'a>(after: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<(&'a str, &'a str)> {
    let mut open: BTreeMap<&str, usize> = after.iter().map(|(n, o)| (*n, o.len())).collect();
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, others) in after {
        for other in others {
            before.entry(other).or_default().push(name);
        }
    }
    let mut free: Vec<&str> =
        before.keys().copied().filter(|name| !after.contains_key(name)).collect();
    while let Some(name) = free.pop() {
        for waiting in before.get(name).into_iter().flatten() {
            if let Some(count) = open.get_mut(waiting) {
                *count -= 1;
                if *count == 0 {
                    free.push(waiting);
                }
            }
        }
    }
    open.retain(|_, count| *count > 0);
    // What is left leads into a circle; walking on from anywhere ends up in it.
    let next = |at: &str| after.get(at)?.iter().copied().find(|other| open.contains_key(other));
    let mut seen = BTreeSet::new();
    let mut at = *open.keys().next()?;
    while seen.insert(at) {
        at = next(at)?;
    }
    Some((at, next(at)?))
}
