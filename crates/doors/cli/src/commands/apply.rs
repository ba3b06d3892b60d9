//! `tow apply -f`: declared things, all of them or none.

use crate::attach;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::project::{document, text};
use crate::render::line;
use owo_colors::OwoColorize;
use std::io::Read;
use std::path::{Path, PathBuf};
use tow_api::Nothing;
use tow_api::object::apply::{Apply, Body, Document, Verdict as Became};
use tow_record::{Problem, Violation};

/// Create or change declared things
///
/// All of it is judged before any is written. What a folder declares belongs to that folder from then on: with --prune,
/// what it names no more is removed, and another folder can't change it unless it takes it over.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file, a folder, or - for standard input; may be given several times
    #[arg(short, long = "file", required = true, value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
    /// In whose name: what it declares is its own. A folder's is its place in the git repository, or its path
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Remove what the same source declared before and names no more; shown first, and asked
    #[arg(long)]
    prune: bool,
    /// With --prune: do not ask
    #[arg(long, requires = "prune")]
    yes: bool,
    /// Take over what belongs to another source
    #[arg(long)]
    take: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (mut documents, mut wrong) = (Vec::new(), Vec::new());
    for path in &args.files {
        if path.as_os_str() == "-" {
            documents.push(standard_input()?);
        } else if path.is_dir() {
            let found = crate::offline::folder(path)?;
            wrong.extend(found.wrong);
            for name in found.skipped {
                cx.printer.say(&format!("skipped {name}: neither Towpath's nor Backstage's"));
            }
            for document in found.documents {
                if crate::offline::is_score(&document.text) {
                    let name = &document.name;
                    cx.printer
                        .say(&format!("skipped {name}: Score files are deployed, not applied"));
                } else {
                    documents.push(document);
                }
            }
        } else {
            let read = document(path, path.parent().unwrap_or(Path::new("")));
            documents.extend(attach::set_aside(read, &mut wrong)?);
        }
    }
    if !wrong.is_empty() {
        return Err(all_wrong(&documents, wrong));
    }
    let source = args.source.clone().or_else(|| source_of(&args.files));
    // The last file of a source may be gone: then all goes that it declared.
    let emptied = args.prune && source.is_some() && args.files.iter().all(|path| path.is_dir());
    if documents.is_empty() && !emptied {
        let names: Vec<String> = args.files.iter().map(|p| p.display().to_string()).collect();
        return Err(Failure::new(
            "cli/nothing-to-apply",
            format!("no declared things in {}", names.join(", ")),
        )
        .hint("`tow schema KIND` says how one is written"));
    }
    if args.prune && source.is_none() {
        return Err(Failure::new(
            "cli/no-source",
            "what goes can't be told of files without a source",
        )
        .hint("apply a folder, or say --source NAME"));
    }
    let parts = parts(documents);
    let body = |documents: &[Document], prune, also: &[String], dry_run| Body {
        documents: documents.to_vec(),
        dry_run,
        source: source.clone(),
        prune,
        also: also.to_vec(),
        take: args.take,
    };
    let client = cx.client()?;
    if args.prune && !args.dry_run && !args.yes {
        let shown = send(client, &parts, args.prune, &|d, p, a| body(d, p, a, true)).await?;
        let gone: Vec<&str> = shown
            .objects
            .iter()
            .filter(|object| object.verdict == Became::Removed)
            .map(|object| object.entity.as_str())
            .collect();
        if !gone.is_empty() {
            for entity in &gone {
                cx.printer.say(&format!("{entity} would be removed"));
            }
            confirm(gone.len())?;
        }
    }
    let reply = send(client, &parts, args.prune, &|d, p, a| body(d, p, a, args.dry_run)).await?;
    cx.printer.data(&reply, || text_of(&reply))
}

/// What can't be sent, and everything else that is wrong: a file that is not there must not hide other mistakes.
fn all_wrong(documents: &[Document], mut wrong: Vec<Violation>) -> Failure {
    for document in documents {
        let files =
            document.attachments.iter().map(|(path, text)| (path.clone(), Ok(text.clone())));
        let read = tow_formats::read_with(&document.name, &document.text, &files.collect());
        wrong.extend(read.err().into_iter().flatten());
    }
    let place = |v: &Violation| v.source.as_ref().map(|s| (s.file.clone(), s.line, s.col));
    wrong.sort_by_key(place);
    let mut problem = Problem::refusal("input/invalid", "what is declared does not hold");
    problem.violations = wrong;
    Failure::Problem(Box::new(problem))
}

/// What goes is agreed to first.
fn confirm(gone: usize) -> Verdict {
    let what = format!("{gone} object{}", if gone == 1 { "" } else { "s" });
    if !crate::printer::can_ask() {
        return Err(Failure::new(
            "cli/not-confirmed",
            format!("removing {what} must be agreed to, and nobody can be asked here"),
        )
        .hint("--yes, or --dry-run to see what goes"));
    }
    match inquire::Confirm::new(&format!("Remove {what} and apply the rest?"))
        .with_default(false)
        .prompt()
    {
        Ok(true) => Ok(()),
        _ => Err(Failure::Shown(crate::Exit::Invalid)),
    }
}

/// At most so many bytes of documents go in one request.
const PART: usize = 4 << 20;

/// Documents in requests of a bearable size, in their order.
fn parts(documents: Vec<Document>) -> Vec<Vec<Document>> {
    let mut parts: Vec<Vec<Document>> = Vec::new();
    let mut size = 0;
    for document in documents {
        let length = document.size();
        match parts.last_mut() {
            Some(part) if size + length <= PART => part.push(document),
            _ => {
                parts.push(vec![document]);
                size = 0;
            }
        }
        size += length;
    }
    // What a source names no more is asked of the platform even where it names nothing.
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    parts
}

/// Sends all parts; what goes is asked of the last one, which knows what the others named.
async fn send(
    client: &tow_client::Client,
    parts: &[Vec<Document>],
    prune: bool,
    body: &impl Fn(&[Document], bool, &[String]) -> Body,
) -> Verdict<tow_api::object::apply::Reply> {
    let mut whole = tow_api::object::apply::Reply { objects: Vec::new(), dry_run: false };
    for (at, part) in parts.iter().enumerate() {
        let prune = prune && at + 1 == parts.len();
        let named: Vec<String> = match prune {
            true => whole.objects.iter().map(|object| object.entity.clone()).collect(),
            false => Vec::new(),
        };
        let body = body(part, prune, &named);
        let reply = client.call::<Apply>(&Nothing {}, &Nothing {}, &body).await?;
        whole.objects.extend(reply.objects);
        whole.dry_run = reply.dry_run;
    }
    Ok(whole)
}

/// What changed, line by line; what did not, as a number where there is much of it.
pub(crate) fn text_of(reply: &tow_api::object::apply::Reply) -> String {
    const MANY: usize = 50;
    let mut out = String::new();
    let few = reply.objects.len() <= MANY;
    for object in reply.objects.iter().filter(|o| few || o.verdict != Became::Unchanged) {
        let verdict = match object.verdict {
            Became::Created => "created".green().to_string(),
            Became::Updated => "updated".yellow().to_string(),
            Became::Unchanged => "unchanged".dimmed().to_string(),
            Became::Removed => "removed".red().to_string(),
        };
        line(&mut out, format_args!("{} {verdict}", object.entity));
    }
    if !few {
        let of = |verdict| reply.objects.iter().filter(|o| o.verdict == verdict).count();
        line(
            &mut out,
            format_args!(
                "{} created, {} updated, {} unchanged, {} removed",
                of(Became::Created),
                of(Became::Updated),
                of(Became::Unchanged),
                of(Became::Removed)
            ),
        );
    }
    if reply.dry_run {
        line(&mut out, format_args!("dry run: nothing was changed"));
    }
    out
}

/// The source of one folder: where it is in its git repository, as others have it too; else its path. Files and standard
/// input have none: they change what is there and own nothing.
fn source_of(files: &[PathBuf]) -> Option<String> {
    let [only] = files else { return None };
    if !only.is_dir() {
        return None;
    }
    let path = only.canonicalize().ok()?;
    Some(match tow_client::source::repository_of(&path) {
        Some(repository) => format!("git:{repository}"),
        None => format!("dir:{}", path.display()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_hides_no_other_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str, spec: &str| {
            let head = "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: a}\nspec: ";
            std::fs::write(dir.path().join(name), format!("{head}{spec}\n")).unwrap();
        };
        of("a.yaml", "{type: openapi, lifecycle: p, owner: o, definition: {$text: ./gone}}");
        of("b.yaml", "{type: openapi, lifecycle: p, definition: x}");
        of("c.yaml", "{type: openapi, owner: o, definition: {$text: ./gone}}");
        let found = crate::offline::folder(dir.path()).unwrap();
        assert_eq!(found.documents.len(), 1);
        let failure = all_wrong(&found.documents, found.wrong);
        assert_eq!(failure.exit(), crate::Exit::Invalid);
        let Failure::Problem(problem) = failure else { panic!("it is shown") };
        let told = |file: &str, word: &str| {
            let of = |v: &&Violation| v.source.as_ref().is_some_and(|s| s.file.ends_with(file));
            problem.violations.iter().filter(of).any(|v| v.message.contains(word))
        };
        assert!(told("a.yaml", "gone") && told("b.yaml", "owner"), "{:?}", problem.violations);
        assert!(told("c.yaml", "lifecycle"), "{:?}", problem.violations);
    }

    #[test]
    fn a_source_that_names_nothing_is_asked_for_too() {
        assert_eq!(parts(Vec::new()), [Vec::new()]);
    }
}
