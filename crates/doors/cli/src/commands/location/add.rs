//! `tow location add TARGET`: declares a location, or shows what it would bring in.

use super::{outcome, show};
use crate::Exit;
use crate::commands::apply::text_of;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::{count, line, short};
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use tow_api::Nothing;
use tow_api::location::get::{Path, Query};
use tow_api::location::list::{ListLocations, LocationView};
use tow_api::location::preview::{Body as Preview, PreviewLocation, Reply};
use tow_api::location::refresh::RefreshLocation;
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
    /// Save it even if it can't be read now, or another location reads the same
    #[arg(long)]
    force: bool,
    /// Do not wait until it is read
    #[arg(long)]
    detach: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let name = args.name.clone().unwrap_or_else(|| name_of(&args.target));
    let document = Document::new("location", document(&args, &name).to_string());
    if !args.dry_run {
        return declare(cx, &args, &name, document).await;
    }
    let reply = preview(cx, document).await?;
    cx.printer.data(&reply, || text(&reply))?;
    if reply.items.iter().any(|item| item.level == Level::Error) {
        return Err(Failure::Shown(Exit::Invalid));
    }
    Ok(())
}

async fn preview(cx: &Context, document: Document) -> Verdict<Reply> {
    let client = cx.client()?;
    cx.printer.wait("reading");
    let reply =
        client.call::<PreviewLocation>(&Nothing {}, &Nothing {}, &Preview { document }).await;
    cx.printer.waited();
    Ok(reply?)
}

/// Saves it once it could be read, and shows how it was found.
async fn declare(cx: &Context, args: &Args, name: &str, document: Document) -> Verdict {
    let client = cx.client()?;
    if !args.force {
        let read = preview(cx, document.clone()).await?;
        let known = client.call::<ListLocations>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
        admitted(args, &read, &known.items)?;
    }
    let body = Body::of(vec![document]);
    let reply = client.call::<Apply>(&Nothing {}, &Nothing {}, &body).await?;
    if args.detach {
        cx.printer.data(&reply, || text_of(&reply))?;
        cx.printer.hint(&format!("`tow location show {name}` says how it was found"));
        return Ok(());
    }
    cx.printer.say(text_of(&reply).trim_end());
    let (path, query) = (Path { name: name.into() }, Query::default());
    let asked = client.call::<RefreshLocation>(&path, &query, &Nothing {}).await?;
    let view = outcome(cx, &path, &query, asked.asked_at).await?;
    cx.printer.data(&view, || show::text(&view))
}

/// Refused: what can't be read at all, and what another location reads already.
fn admitted(args: &Args, read: &Reply, known: &[LocationView]) -> Verdict {
    let target = std::slice::from_ref(&args.target);
    // Of one target the type is told by the target, unless it is said; so the same is read in the same way.
    let same = |other: &&LocationView| {
        other.targets == target && args.kind.as_ref().is_none_or(|kind| *kind == other.source)
    };
    let other = known.iter().find(|other| other.location != read.location && same(other));
    if let Some(other) = other {
        let (name, target) = (short(&other.location), &args.target);
        return Err(Failure::new("cli/location-twice", format!("{name} reads {target} already"))
            .hint(format!("`tow location refresh {name}` reads it again; --force adds it twice")));
    }
    let mut errors = read.items.iter().filter(|item| item.level == Level::Error).peekable();
    if read.total > 0 || errors.peek().is_none() {
        return Ok(());
    }
    let why: Vec<&str> = errors.map(|item| item.message.as_str()).collect();
    let git = args.kind.is_none() && (args.target.contains('#') || args.target.contains(".git"));
    let hint = match git {
        true => {
            "--type git reads a repository, as in file:///srv/shop#main:catalog; --force saves it anyway"
        }
        false => "--force saves it anyway, and it is looked at again and again",
    };
    let why = format!("{} can't be read: {}", args.target, why.join("; "));
    Err(Failure::new("cli/location-unread", why).hint(hint))
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
    let (total, files) = (count(reply.total, "object"), count(reply.files, "file"));
    line(&mut out, format_args!("{total} from {files}; nothing was changed"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_and_what_is_read_already_is_refused() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let args = |words: &[&str]| Line::parse_from([&["add"], words].concat()).args;
        let read = |total, why: Option<&str>| Reply {
            location: "location:default/shop".into(),
            objects: Vec::new(),
            total,
            files: total,
            items: why
                .map(|why| {
                    tow_record::StatusItem::processing(Level::Error, "location/missing", why)
                })
                .into_iter()
                .collect(),
        };
        let told = |words: &[&str], read: Reply, known: &[LocationView]| match admitted(
            &args(words),
            &read,
            known,
        ) {
            Ok(()) => String::new(),
            Err(Failure::Problem(problem)) => {
                format!("{} {} {}", problem.code, problem.detail, problem.hint.unwrap_or_default())
            }
            Err(_) => panic!("it is shown"),
        };
        let target = "file:///r#main";
        assert_eq!(told(&[target], read(1, Some("one is wrong")), &[]), "", "some of it is read");
        assert_eq!(told(&[target], read(0, None), &[]), "", "there is nothing in it yet");
        let unread = told(&["/r#main"], read(0, Some("it is not there")), &[]);
        assert!(
            unread.starts_with("cli/location-unread") && unread.contains("--type git"),
            "{unread}"
        );
        let other = |name: &str| -> LocationView {
            serde_json::from_value(json!({
                "location": format!("location:default/{name}"), "source": "git", "targets": [target],
                "state": "live", "allow": [], "every": "5m", "keep_orphans": false, "objects": 1, "files": 1,
                "revision": "", "looked_at": null, "good_at": null, "due": null, "asked": false, "push": false,
                "items": [],
            }))
            .unwrap()
        };
        let twice = told(&[target], read(1, None), &[other("quay")]);
        assert!(twice.starts_with("cli/location-twice quay reads"), "{twice}");
        assert_eq!(told(&[target], read(1, None), &[other("shop")]), "", "it is the same one");
        assert_eq!(told(&["--type", "file", target], read(1, None), &[other("quay")]), "");
    }

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
