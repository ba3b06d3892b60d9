//! `tow location add TARGET`: declares a location, or shows what it would bring in.

use crate::Exit;
use crate::commands::apply::text_of;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::line;
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use tow_api::Nothing;
use tow_api::location::preview::{Body as Preview, PreviewLocation, Reply};
use tow_api::object::apply::{Apply, Body, Document, Verdict as Became};
use tow_model::kinds::location::{ALLOW, ORPHANS, REFRESH};
use tow_record::Level;

/// Declare a location: a file, a folder, a URL, a git repository
///
/// A git target is URL, URL#REF or URL#REF:PATH; a target may have * and ** in it. Paths are those of the platform's
/// machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it reads
    target: String,
    /// Its name (else made from the target)
    #[arg(long)]
    name: Option<String>,
    /// file, url or git (else told by the target)
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Kinds that may come in (else Component, API, Resource, System, Domain, AiResource, Location)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    allow: Vec<String>,
    /// How often it is looked at, as in 1h (else 5m)
    #[arg(long, value_name = "TIME")]
    refresh: Option<String>,
    /// What becomes of what it names no more: delete or keep (else delete)
    #[arg(long, value_name = "RULE", value_parser = ["delete", "keep"])]
    orphans: Option<String>,
    /// Say what would come in and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let name = args.name.clone().unwrap_or_else(|| name_of(&args.target));
    let document = Document::new("location", document(&args, &name).to_string());
    let client = cx.client()?;
    if !args.dry_run {
        let body = Body::of(vec![document]);
        let reply = client.call::<Apply>(&Nothing {}, &Nothing {}, &body).await?;
        cx.printer.data(&reply, || text_of(&reply))?;
        cx.printer.hint(&format!("`tow location show {name}` says how it was found"));
        return Ok(());
    }
    cx.printer.wait("reading");
    let reply =
        client.call::<PreviewLocation>(&Nothing {}, &Nothing {}, &Preview { document }).await;
    cx.printer.waited();
    let reply = reply?;
    cx.printer.data(&reply, || text(&reply))?;
    if reply.items.iter().any(|item| item.level == Level::Error) {
        return Err(Failure::Shown(Exit::Invalid));
    }
    Ok(())
}

fn document(args: &Args, name: &str) -> Value {
    let mut annotations = serde_json::Map::new();
    if !args.allow.is_empty() {
        annotations.insert(ALLOW.into(), args.allow.join(",").into());
    }
    if let Some(refresh) = &args.refresh {
        annotations.insert(REFRESH.into(), refresh.as_str().into());
    }
    if let Some(orphans) = &args.orphans {
        annotations.insert(ORPHANS.into(), orphans.as_str().into());
    }
    let mut spec = json!({ "target": args.target });
    if let Some(kind) = &args.kind {
        spec["type"] = kind.as_str().into();
    }
    json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Location",
        "metadata": { "name": name, "annotations": annotations }, "spec": spec,
    })
}

/// The last telling part of a target, as a name.
fn name_of(target: &str) -> String {
    let path = target.split('#').next().unwrap_or(target).trim_end_matches('/');
    // Of a URL the host counts without its port.
    let (host, path) = match path.split_once("://").map(|(_, rest)| rest) {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", path),
    };
    let told = |part: &&str| {
        !part.is_empty()
            && !part.contains('*')
            && !matches!(*part, "catalog-info.yaml" | "main" | "master" | "blob" | ".")
    };
    let last =
        path.rsplit(['/', ':']).find(told).unwrap_or_else(|| host.split(':').next().unwrap_or(""));
    let stem = ["git", "yaml", "yml", "json"]
        .iter()
        .find_map(|end| last.strip_suffix(&format!(".{end}")))
        .unwrap_or(last);
    let name: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(63)
        .collect();
    match name.trim_matches('-') {
        "" => "location".into(),
        name => name.into(),
    }
}

fn text(reply: &Reply) -> String {
    let mut out = String::new();
    for object in &reply.objects {
        let verdict = match object.verdict {
            Became::Created => "created".green().to_string(),
            Became::Updated => "updated".yellow().to_string(),
            Became::Unchanged => "unchanged".dimmed().to_string(),
            Became::Removed => "removed".red().to_string(),
        };
        line(&mut out, format_args!("{} {verdict}  {}", object.entity, object.at.dimmed()));
    }
    for item in &reply.items {
        line(&mut out, format_args!("{} {}", "refused".red(), item.message));
    }
    let (total, files) = (reply.total, reply.files);
    line(&mut out, format_args!("{total} objects from {files} files; nothing was changed"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_tells_most() {
        for (target, name) in [
            ("https://git.example.org/shop/catalog.git#main:x", "catalog"),
            ("git@example.org:shop/harbour.git", "harbour"),
            ("/srv/Catalog_Files/", "catalog-files"),
            ("./all.yaml", "all"),
            ("/srv/shop/**/*.yaml", "shop"),
            ("https://github.com/o/shop/blob/main/catalog-info.yaml", "shop"),
            ("http://127.0.0.1:8080/catalog-info.yaml", "127-0-0-1"),
            ("***", "location"),
        ] {
            assert_eq!(name_of(target), name, "{target}");
        }
    }
}
