//! A component's folder: which of its files are ours, which component they name, and whether they need the folder
//! itself. Looks at them leniently and judges nothing: the platform reads the same texts and says what is wrong.

use crate::attach;
use crate::failure::{Failure, Verdict};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tow_api::object::apply::Document;

/// No declared file of a person is longer; a longer one is refused before it is read.
const LONGEST: u64 = tow_formats::MAX_BYTES as u64;

/// A folder's files.
#[derive(Debug, Default)]
pub(crate) struct Project {
    /// As they are sent.
    pub(crate) documents: Vec<Document>,
    /// The component they name.
    pub(crate) component: Option<String>,
    /// A container is `image: .`.
    pub(crate) needs_source: bool,
}

/// Reads the files of a folder that a deploy is made from.
pub(crate) fn read(dir: &Path) -> Verdict<Project> {
    let mut project = Project::default();
    let (mut delivery, mut catalog, mut scores) = (None, None, Vec::new());
    for path in files(dir)? {
        let mut document = document(&path, dir)?;
        for value in peek(&document.text) {
            let word =
                |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_string);
            match (word("/apiVersion").as_deref(), word("/kind").as_deref()) {
                (Some(version), _) if version.starts_with("score.dev/") => {
                    project.needs_source |= needs_source(&value);
                    attach::beside(&mut document, &sources(&value), &path, dir);
                    scores.extend(word("/metadata/name"));
                }
                (_, Some("Delivery")) => {
                    delivery = word("/spec/component").or_else(|| word("/metadata/name"));
                }
                (_, Some("Component")) if catalog.is_none() => {
                    catalog = word("/metadata/name").map(|own| match word("/metadata/namespace") {
                        Some(namespace) if namespace != "default" => format!("{namespace}/{own}"),
                        _ => own,
                    });
                }
                _ => {}
            }
        }
        project.documents.push(document);
    }
    let only = if scores.len() == 1 { scores.pop() } else { None };
    project.component = delivery.or(catalog).or(only);
    Ok(project)
}

/// The component a folder's files name.
pub(crate) fn component(dir: &Path) -> Verdict<Option<String>> {
    Ok(read(dir)?.component)
}

/// `score.yaml`, `*.score.yaml`, `score-*.yaml`, `tow.yaml`, `catalog-info.yaml`, in the order of their names.
fn files(dir: &Path) -> Verdict<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|error| {
        Failure::file(dir, &error).hint("give the folder that holds score.yaml")
    })?;
    // A link that leads nowhere is named when it is read, rather than passed over.
    let file = |path: &Path| path.metadata().map_or(true, |meta| meta.is_file());
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| ours(&file_name(path)) && file(path))
        .collect();
    found.sort();
    Ok(found)
}

fn ours(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else {
        return false;
    };
    matches!(stem, "score" | "tow" | "catalog-info")
        || stem.ends_with(".score")
        || stem.starts_with("score-")
}

/// A file as it is sent, named as the user can find it, with the files it asks for; `within`: see [`attach::files`].
pub(crate) fn document(path: &Path, within: &Path) -> Verdict<Document> {
    let name = path.strip_prefix(".").unwrap_or(path).display().to_string();
    let length = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?.len();
    if length > LONGEST {
        return Err(too_long(&name, length));
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    attach::whole(text(name, bytes)?, path, within)
}

/// Bytes as a document.
pub(crate) fn text(name: String, bytes: Vec<u8>) -> Verdict<Document> {
    if bytes.len() as u64 > LONGEST {
        return Err(too_long(&name, bytes.len() as u64));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Document::new(name, text)),
        Err(error) => Err(Failure::new(
            "file/not-text",
            format!("{name} is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
        )
        .hint("save it as UTF-8")),
    }
}

fn too_long(name: &str, length: u64) -> Failure {
    Failure::new("yaml/too-large", format!("{name} has {length} bytes, expected at most {LONGEST}"))
        .hint("split it into several files; the limit is 1 MiB for each")
}

/// The documents of a text, as far as they can be read.
fn peek(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_default()
}

fn needs_source(score: &Value) -> bool {
    let containers = score.get("containers").and_then(Value::as_object);
    containers
        .into_iter()
        .flat_map(|all| all.values())
        .any(|container| container.get("image").and_then(Value::as_str) == Some("."))
}

/// The files that its containers take from beside it.
fn sources(score: &Value) -> Vec<String> {
    let containers = score.get("containers").and_then(Value::as_object);
    let mut found = Vec::new();
    for container in containers.into_iter().flat_map(|all| all.values()) {
        let files: Vec<&Value> = match container.get("files") {
            Some(Value::Object(files)) => files.values().collect(),
            Some(Value::Array(files)) => files.iter().collect(),
            _ => Vec::new(),
        };
        let source = |file: &Value| file.get("source")?.as_str().map(str::to_string);
        found.extend(files.into_iter().filter_map(source));
    }
    found
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_files_are_known_by_name() {
        for good in
            ["score.yaml", "web.score.yml", "score-worker.yaml", "tow.yaml", "catalog-info.yaml"]
        {
            assert!(ours(good), "{good}");
        }
        for bad in ["docker-compose.yaml", "scores.yaml", "score.json", "tow.toml"] {
            assert!(!ours(bad), "{bad}");
        }
    }

    #[test]
    fn the_source_is_needed_for_a_dot_and_files_beside_are_named() {
        let score = |container: Value| serde_json::json!({"containers": {"main": container}});
        assert!(needs_source(&score(serde_json::json!({"image": "."}))));
        let listed = serde_json::json!({"image": "x", "files": [{"target": "a", "source": "b"}]});
        let mapped = serde_json::json!({"image": "x", "files": {"a": {"source": "b"}}});
        for taken in [listed, mapped] {
            assert!(!needs_source(&score(taken.clone())));
            assert_eq!(sources(&score(taken)), ["b"]);
        }
        let own = serde_json::json!({"image": "x", "files": {"a": {"content": "b"}}});
        assert!(sources(&score(own)).is_empty());
    }
}
