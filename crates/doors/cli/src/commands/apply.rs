//! `tow apply -f`: declared things, all of them or none.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::project::{document, text};
use crate::render::line;
use owo_colors::OwoColorize;
use std::io::Read;
use std::path::{Path, PathBuf};
use tow_api::Nothing;
use tow_api::object::apply::{Apply, Body, Document, Verdict as Became};

/// Create or change declared things, all of them or none
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file, a folder, or - for standard input; may be given several times
    #[arg(short, long = "file", required = true, value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let mut documents = Vec::new();
    for path in &args.files {
        if path.as_os_str() == "-" {
            documents.push(standard_input()?);
        } else if path.is_dir() {
            let (found, skipped) = crate::offline::folder(path)?;
            for name in skipped {
                cx.printer.say(&format!("skipped {name}: neither Towpath's nor Backstage's"));
            }
            for document in found {
                if crate::offline::is_score(&document.text) {
                    let name = &document.name;
                    cx.printer
                        .say(&format!("skipped {name}: Score files are deployed, not applied"));
                } else {
                    documents.push(document);
                }
            }
        } else {
            documents.push(document(path)?);
        }
    }
    if documents.is_empty() {
        let names: Vec<String> = args.files.iter().map(|p| p.display().to_string()).collect();
        return Err(Failure::new(
            "cli/nothing-to-apply",
            format!("no declared things in {}", names.join(", ")),
        )
        .hint("`tow schema KIND` says how one is written"));
    }
    let body = Body { documents, dry_run: args.dry_run };
    let reply = cx.client()?.call::<Apply>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&reply, || {
        let mut out = String::new();
        for object in &reply.objects {
            let verdict = match object.verdict {
                Became::Created => "created".green().to_string(),
                Became::Updated => "updated".yellow().to_string(),
                Became::Unchanged => "unchanged".dimmed().to_string(),
            };
            line(&mut out, format_args!("{} {verdict}", object.entity));
        }
        if reply.dry_run {
            line(&mut out, format_args!("dry run: nothing was changed"));
        }
        out
    })
}

/// Standard input as a document.
pub(crate) fn standard_input() -> Verdict<Document> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that too much is noticed and no more is read.
    std::io::stdin()
        .lock()
        .take(tow_formats::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::file(Path::new("-"), &error))?;
    text("-".into(), bytes)
}
