//! `tow get KIND [NAME]`.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::list::Listed;
use crate::render::or_dash;
use comfy_table::Cell;
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
    let Some(name) = args.name else {
        let path = ListPath { kind: kind(&args.kind)? };
        let reply = cx.client()?.call::<ListObjects>(&path, &Nothing {}, &Nothing {}).await?;
        return cx.printer.list(reply.items);
    };
    let object = one(cx, &args.kind, &name).await?;
    if cx.printer.is_text() {
        return cx.printer.list(vec![object]);
    }
    cx.printer.data(&object, String::new)
}

impl Listed for ObjectView {
    const HEAD: &'static [&'static str] = &["NAME", "TYPE", "OWNER", "ABOUT"];
    const EMPTY: &'static str = "there are none";

    fn row(&self) -> Vec<Cell> {
        let word = |path: [&str; 2]| self.object.get(path[0])?.get(path[1])?.as_str();
        let name = match (word(["metadata", "namespace"]), word(["metadata", "name"])) {
            (Some(namespace), Some(name)) if namespace != "default" => {
                format!("{namespace}/{name}")
            }
            (_, name) => name.unwrap_or_default().to_string(),
        };
        let about = word(["metadata", "description"]).or_else(|| word(["metadata", "title"]));
        vec![
            Cell::new(name),
            Cell::new(or_dash(word(["spec", "type"]).or_else(|| word(["spec", "tier"])))),
            Cell::new(or_dash(word(["spec", "owner"]))),
            Cell::new(about.unwrap_or_default()),
        ]
    }
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
