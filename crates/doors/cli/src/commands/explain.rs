//! `tow explain KIND[.FIELD]`: what a field means, what it may be, and what stands below it, without a platform.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::{line, table};
use comfy_table::Cell;
use owo_colors::OwoColorize;
use serde::Serialize;
use serde_json::Value;

/// Explain a kind, or one of its fields, without a platform
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A kind, and a path in it, as in environment.spec.tier; Workload is a Score file. Nothing: which kinds there are
    #[arg(value_name = "KIND[.FIELD]")]
    path: Option<String>,
}

/// What is known of a field.
#[derive(Debug, Serialize)]
struct Field {
    /// Its name; of the kind itself the kind's.
    name: String,
    /// What a value is, in words.
    what: String,
    /// Must it be there?
    required: bool,
    /// What it means.
    description: String,
    /// What it may be, where that is a list of words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<String>,
    /// What stands below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Self>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Verdict {
    let Some(path) = &args.path else { return kinds(cx) };
    let mut words = path.split('.');
    let kind = words.next().unwrap_or_default();
    let Some(schema) = tow_formats::schema(kind) else {
        let all: Vec<&str> = tow_model::Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(Failure::new("cli/no-such-kind", format!("there is no kind {kind:?}"))
            .hint(format!("kinds are Workload, {}", all.join(", "))));
    };
    let title = schema["title"].as_str().unwrap_or(kind).to_string();
    let (mut here, mut name, mut required) = (resolved(&schema, &schema), title.clone(), true);
    let mut trail = title;
    for word in words {
        let Some((found, must)) = child(&schema, here, word) else {
            let known: Vec<String> =
                children(&schema, here).into_iter().map(|(name, ..)| name).collect();
            let failure =
                Failure::new("cli/no-such-field", format!("{trail} has no field {word:?}"));
            return Err(if known.is_empty() {
                failure.hint(format!("{trail} has no fields"))
            } else {
                failure.hint(format!("fields of {trail}: {}", known.join(", ")))
            });
        };
        (here, name, required) = (found, word.to_string(), must);
        trail = format!("{trail}.{word}");
    }
    let mut field = describe(&schema, &name, here, required);
    field.fields = children(&schema, here)
        .into_iter()
        .map(|(name, below, must)| describe(&schema, &name, below, must))
        .collect();
    cx.printer.data(&field, || text(&trail, &field))
}

/// Which kinds there are, and what each may say.
fn kinds(cx: &Context) -> Verdict {
    let known = known();
    cx.printer.data(&known, || {
        let row = |kind: &Field| {
            let mark = |field: &Field| match field.required {
                true => format!("{}*", field.name),
                false => field.name.clone(),
            };
            let fields: Vec<String> = kind.fields.iter().map(mark).collect();
            vec![Cell::new(&kind.name), Cell::new(fields.join(" "))]
        };
        table(&["KIND", "SAYS (* MUST)"], known.iter().map(row).collect(), "there are none")
    })
}

/// All kinds, each with the fields of its spec; of a Score file with its own.
fn known() -> Vec<Field> {
    let all = tow_model::Kind::ALL.iter().map(|kind| kind.as_str());
    let known = std::iter::once("Workload").chain(all).filter_map(|kind| {
        let schema = tow_formats::schema(kind)?;
        let root = resolved(&schema, &schema);
        let says = child(&schema, root, "spec").map_or(root, |(spec, _)| spec);
        let mut field = describe(&schema, kind, root, false);
        field.fields = children(&schema, says)
            .into_iter()
            .map(|(name, below, must)| describe(&schema, &name, below, must))
            .collect();
        Some(field)
    });
    known.collect()
}

fn describe(root: &Value, name: &str, schema: &Value, required: bool) -> Field {
    let whole = resolved(root, schema);
    let said = |key: &str| schema[key].as_str().or_else(|| whole[key].as_str()).unwrap_or_default();
    let choices = whole["enum"].as_array().into_iter().flatten().chain(whole.get("const"));
    Field {
        name: name.into(),
        what: what(root, schema),
        required,
        description: said("description").replace('\n', " "),
        choices: choices.filter_map(Value::as_str).map(str::to_string).collect(),
        fields: Vec::new(),
    }
}

/// A value in words: `text`, `list of texts`, `map of numbers`.
fn what(root: &Value, schema: &Value) -> String {
    let whole = resolved(root, schema);
    match whole["type"].as_str() {
        Some("string") => "text".into(),
        Some("integer") => "whole number".into(),
        Some("number") => "number".into(),
        Some("boolean") => "true or false".into(),
        Some("array") => format!("list of {}", what(root, &whole["items"])),
        Some("object") if whole["properties"].is_object() => "object".into(),
        Some("object") if whole["additionalProperties"].is_object() => {
            format!("map of {}", what(root, &whole["additionalProperties"]))
        }
        Some("object") => "object".into(),
        _ => match whole["anyOf"].as_array().or_else(|| whole["oneOf"].as_array()) {
            Some(several) => {
                several.iter().map(|one| what(root, one)).collect::<Vec<_>>().join(" or ")
            }
            None => "anything".into(),
        },
    }
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

/// Where the fields below a value are written: in it, in a list's items, in a map's values.
fn holder<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let whole = resolved(root, schema);
    if whole["properties"].is_object() {
        whole
    } else if whole["items"].is_object() {
        holder(root, &whole["items"])
    } else if whole["additionalProperties"].is_object() {
        holder(root, &whole["additionalProperties"])
    } else {
        whole
    }
}

fn children<'a>(root: &'a Value, schema: &'a Value) -> Vec<(String, &'a Value, bool)> {
    let holder = holder(root, schema);
    let must = |name: &str| {
        holder["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
    };
    let properties = holder["properties"].as_object().into_iter().flatten();
    properties.map(|(name, below)| (name.clone(), below, must(name))).collect()
}

fn child<'a>(root: &'a Value, schema: &'a Value, word: &str) -> Option<(&'a Value, bool)> {
    let found = children(root, schema).into_iter().find(|(name, ..)| name == word);
    found.map(|(_, below, must)| (below, must))
}

fn text(trail: &str, field: &Field) -> String {
    let mut out = String::new();
    let must = if field.required { ", required" } else { "" };
    line(&mut out, format_args!("{} {}", trail.bold(), format!("({}{must})", field.what).dimmed()));
    if !field.description.is_empty() {
        line(&mut out, format_args!("{}", field.description));
    }
    if !field.choices.is_empty() {
        line(&mut out, format_args!("one of: {}", field.choices.join(", ")));
    }
    if !field.fields.is_empty() {
        let width = field.fields.iter().map(|below| below.name.chars().count()).max().unwrap_or(0);
        line(&mut out, format_args!(""));
        for below in &field.fields {
            let mark = if below.required { "*" } else { " " };
            let choices = match below.choices.as_slice() {
                [] => String::new(),
                words => format!(" One of: {}.", words.join(", ")),
            };
            line(
                &mut out,
                format_args!(
                    "  {:<width$}{mark} {} {}{choices}",
                    below.name,
                    format!("({})", below.what).dimmed(),
                    below.description
                ),
            );
        }
        line(&mut out, format_args!("\n{}", "* must be there".dimmed()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_with_what_it_says() {
        let known = known();
        assert_eq!(known.len(), tow_model::Kind::ALL.len() + 1);
        let of = |name: &str| known.iter().find(|kind| kind.name == name).unwrap();
        assert!(of("Component").fields.iter().any(|field| field.name == "owner" && field.required));
        assert!(of("Workload").fields.iter().any(|field| field.name == "containers"));
    }
}
