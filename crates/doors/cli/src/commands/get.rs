//! `tow get KIND [NAME]`.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::{or_dash, table};
use comfy_table::Cell;
use serde_json::Value;
use tow_api::Nothing;
use tow_api::object::get::{GetObject, ObjectView, Path};
use tow_api::object::list::{ListObjects, Path as ListPath};

/// List the objects of a kind, or show one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Component, System, Group, User, Environment, Runtime or Delivery; any case, singular or plural
    kind: String,
    /// NAME or NAMESPACE/NAME
    name: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let items = match args.name {
        Some(name) => {
            let object = one(cx, &args.kind, &name).await?;
            if !cx.printer.is_text() {
                return cx.printer.data(&object, String::new);
            }
            vec![object]
        }
        None => {
            let path = ListPath { kind: kind(&args.kind)? };
            cx.client()?.call::<ListObjects>(&path, &Nothing {}, &Nothing {}).await?.items
        }
    };
    cx.printer.data(&items, || {
        let rows = items.iter().map(|item| {
            let object = Value::Object(item.object.clone());
            let word =
                |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_string);
            let name = match (word("/metadata/namespace"), word("/metadata/name")) {
                (Some(namespace), Some(name)) if namespace != "default" => {
                    format!("{namespace}/{name}")
                }
                (_, name) => name.unwrap_or_default(),
            };
            let about = word("/spec/type").or_else(|| word("/spec/tier"));
            vec![
                Cell::new(name),
                Cell::new(or_dash(about)),
                Cell::new(or_dash(word("/spec/owner"))),
                Cell::new(
                    word("/metadata/description")
                        .or_else(|| word("/metadata/title"))
                        .unwrap_or_default(),
                ),
            ]
        });
        table(&["NAME", "TYPE", "OWNER", "ABOUT"], rows.collect(), &format!("no {}", args.kind))
    })
}

/// One object.
pub(crate) async fn one(cx: &Context, kind: &str, name: &str) -> Verdict<ObjectView> {
    let path = path(kind, name)?;
    Ok(cx.client()?.call::<GetObject>(&path, &Nothing {}, &Nothing {}).await?)
}

/// The kind's own spelling.
pub(crate) fn kind(text: &str) -> Verdict<String> {
    match tow_model::Kind::parse(text) {
        Some(kind) => Ok(kind.as_str().to_string()),
        None => {
            let all: Vec<&str> = tow_model::Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            Err(Failure::new("cli/no-such-kind", format!("there is no kind {text:?}"))
                .hint(format!("kinds are {}", all.join(", "))))
        }
    }
}

/// An object's address.
pub(crate) fn path(kind: &str, name: &str) -> Verdict<Path> {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    Ok(Path { kind: self::kind(kind)?, namespace: namespace.into(), name: name.into() })
}
