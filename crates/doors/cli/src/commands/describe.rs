//! `tow describe KIND NAME`: everything about one object.

use crate::context::Context;
use crate::failure::Verdict;
use crate::printer::yaml;
use crate::render::{line, short};
use owo_colors::OwoColorize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Show everything about one object
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Any kind, such as component, group or environment; any case, singular or plural
    kind: String,
    /// NAME or NAMESPACE/NAME
    name: String,
}

/// So many of one type of relation are shown; `-o json` has all of them.
const MOST: usize = 10;
/// Titles take so many columns.
const WIDTH: usize = 13;

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let object = super::get::one(cx, &args.kind, &args.name).await?;
    let page = page(&object.members())?;
    cx.printer.data(&object, || page)
}

/// An object as a page for people.
fn page(object: &Map<String, Value>) -> Verdict<String> {
    let none = Map::new();
    let part = |name: &str| object.get(name).and_then(Value::as_object).unwrap_or(&none);
    let (metadata, spec, status) = (part("metadata"), part("spec"), part("status"));
    let mut out = String::new();
    let mut say = |title: &str, value: Option<&Value>| {
        let text = value.map(plain).filter(|text| !text.is_empty());
        if let Some(text) = text {
            line(&mut out, format_args!("{title:WIDTH$}{text}"));
        }
    };
    say("kind", object.get("kind"));
    say("name", metadata.get("name"));
    say("namespace", metadata.get("namespace").filter(|namespace| *namespace != "default"));
    say("title", metadata.get("title"));
    say("description", metadata.get("description"));
    for field in ["type", "owner", "lifecycle", "system", "domain"] {
        say(field, spec.get(field));
    }
    let source = status.get("source").and_then(Value::as_str).unwrap_or_default();
    say("source", Some(&Value::from(if source.is_empty() { "none: by hand" } else { source })));
    say("generation", metadata.get("generation"));
    say("created", status.get("createdAt"));
    say("created by", status.get("createdBy"));
    say("changed", status.get("updatedAt"));
    if let Some(tags) = metadata.get("tags").and_then(Value::as_array) {
        let tags: Vec<String> = tags.iter().map(plain).collect();
        say("tags", Some(&tags.join(", ").into()));
    }
    for (title, field) in [("labels", "labels"), ("annotations", "annotations")] {
        section(&mut out, title, metadata.get(field))?;
    }
    if let Some(links) = metadata.get("links").and_then(Value::as_array).filter(|l| !l.is_empty()) {
        line(&mut out, format_args!("\n{}", "links".bold()));
        for link in links {
            let word = |key: &str| link.get(key).and_then(Value::as_str).unwrap_or_default();
            line(&mut out, format_args!("  {}  {}", word("url"), word("title").dimmed()));
        }
    }
    section(&mut out, "spec", object.get("spec"))?;
    relations(&mut out, object.get("relations"));
    let items = status.get("items").and_then(Value::as_array).filter(|items| !items.is_empty());
    if let Some(items) = items {
        line(&mut out, format_args!("\n{}", "status".bold()));
        for item in items {
            let word = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
            line(&mut out, format_args!("  {} {}", word("level"), word("message")));
        }
    }
    let shown = ["items", "source", "createdAt", "createdBy", "updatedAt"];
    let rest = status.iter().filter(|(name, _)| !shown.contains(&name.as_str()));
    let rest: Map<String, Value> =
        rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    section(&mut out, "state", Some(&Value::Object(rest)))?;
    Ok(out)
}

/// A map as YAML below a title; nothing where it is empty.
fn section(out: &mut String, title: &str, value: Option<&Value>) -> Verdict {
    let Some(value) = value.filter(|value| value.as_object().is_some_and(|map| !map.is_empty()))
    else {
        return Ok(());
    };
    line(out, format_args!("\n{}", title.bold()));
    for text in yaml(value)?.lines() {
        line(out, format_args!("  {text}"));
    }
    Ok(())
}

/// By type, the first of each.
fn relations(out: &mut String, relations: Option<&Value>) {
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for relation in relations.and_then(Value::as_array).into_iter().flatten() {
        let word = |key: &str| relation.get(key).and_then(Value::as_str).unwrap_or_default();
        types.entry(word("type")).or_default().push(word("targetRef"));
    }
    if types.is_empty() {
        return;
    }
    line(out, format_args!("\n{}", "relations".bold()));
    let width = types.keys().map(|name| name.len()).max().unwrap_or(0) + 2;
    for (name, targets) in types {
        for (index, target) in targets.iter().take(MOST).enumerate() {
            let name = if index == 0 { name } else { "" };
            let kind = target.split_once(':').map_or("", |(kind, _)| kind);
            line(out, format_args!("  {name:width$}{} {}", kind.dimmed(), short(target)));
        }
        if targets.len() > MOST {
            line(out, format_args!("  {:width$}… and {} more", "", targets.len() - MOST));
        }
    }
}

/// A word as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_has_everything_and_not_every_relation() {
        let many =
            (0..12).map(|n| json!({"type": "ownerOf", "targetRef": format!("api:shop/a{n}")}));
        let object = json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": "Group",
            "metadata": { "name": "quay", "generation": 2, "description": "Ships.", "tags": ["a", "b"],
                "links": [{ "url": "https://example.org", "title": "Site" }], "annotations": { "x/y": "z" } },
            "spec": { "type": "team", "children": [] },
            "relations": many.chain([json!({"type": "hasMember", "targetRef": "user:default/ann"})]).collect::<Vec<_>>(),
            "status": { "source": "dir:/shop", "items": [{ "level": "error", "message": "it is old" }] },
        });
        let text = page(object.as_object().unwrap()).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        for line in [
            "kind         Group",
            "description  Ships.",
            "source       dir:/shop",
            "tags         a, b",
            "  x/y: z",
            "  https://example.org  Site",
            "  type: team",
            "  hasMember  user ann",
            "  ownerOf    api shop/a0",
            "             … and 2 more",
            "  error it is old",
        ] {
            assert!(text.lines().any(|one| one == line), "{line:?} in\n{text}");
        }
        assert!(!text.contains("a10") && !text.contains("\nstate"), "{text}");
    }
}
