//! `tow validate`: checks files offline, with the very code the platform reads them with.

use crate::Exit;
use crate::attach;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::offline;
use crate::render::{self, line};
use owo_colors::OwoColorize;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use tow_formats::Document;
use tow_record::Violation;

/// Check files of any kind, without a platform
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, folders, or - for standard input; this folder where nothing is said
    #[arg(default_value = ".", hide_default_value = true, value_name = "FILE|DIR|-")]
    paths: Vec<PathBuf>,
}

/// What is longer is refused by its length; so much of it is read to say so.
const LONGEST: u64 = 64 << 20;

/// One file; the shape that scripts read.
#[derive(Serialize)]
struct Report {
    file: String,
    ok: bool,
    documents: Vec<Declared>,
    violations: Vec<Violation>,
}

#[derive(Serialize)]
struct Declared {
    kind: &'static str,
    name: String,
}

pub(crate) fn run(cx: &Context, args: Args) -> Verdict {
    let mut reports = Vec::new();
    for path in &args.paths {
        if path.as_os_str() == "-" {
            reports.push(report("-", &read(path, std::io::stdin().lock())?, None));
        } else if path.is_dir() {
            folder(cx, path, &mut reports)?;
        } else {
            let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
            let within = path.parent().unwrap_or(Path::new(""));
            let name = path.display().to_string();
            reports.push(report(&name, &read(path, file)?, Some((path, within))));
        }
    }
    if reports.is_empty() {
        let names: Vec<String> = args.paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Failure::new(
            "cli/nothing-to-validate",
            format!("no file of ours in {}", names.join(", ")),
        )
        .hint("files are known by apiVersion: score.dev/v1b1, towpath.dev/v1 or backstage.io/v1alpha1"));
    }
    let bad = reports.iter().filter(|report| !report.ok).count();
    for violation in reports.iter().flat_map(|report| &report.violations) {
        if cx.printer.is_text() {
            cx.printer.error_line(&render::violation(violation));
        }
    }
    cx.printer.data(&reports, || text(&reports, bad))?;
    if bad == 0 { Ok(()) } else { Err(Failure::Shown(Exit::Invalid)) }
}

fn text(reports: &[Report], bad: usize) -> String {
    let mut out = String::new();
    for report in reports {
        if report.ok {
            let names = report.documents.iter().map(|d| format!("{} {}", d.kind, d.name));
            let names = names.collect::<Vec<_>>().join(", ");
            line(&mut out, format_args!("{} {}  {}", "✓ ok".green(), report.file, names.dimmed()));
        } else {
            let count = render::count(report.violations.len(), "error");
            line(&mut out, format_args!("{} {}  {count}", "✕ no".red(), report.file));
        }
    }
    if reports.len() > 1 {
        line(&mut out, format_args!("{}, {bad} not valid", render::count(reports.len(), "file")));
    }
    out
}

fn folder(cx: &Context, dir: &Path, reports: &mut Vec<Report>) -> Verdict {
    for path in offline::yaml_files(dir)? {
        let file = std::fs::File::open(&path).map_err(|error| Failure::file(&path, &error))?;
        let bytes = read(&path, file)?;
        let name = path.strip_prefix(".").unwrap_or(&path).display().to_string();
        if offline::is_ours(&String::from_utf8_lossy(&bytes)) {
            reports.push(report(&name, &bytes, Some((&path, dir))));
        } else {
            cx.printer.say(&format!("skipped {name}: not of a kind we know by its apiVersion"));
        }
    }
    Ok(())
}

fn read(path: &Path, from: impl Read) -> Verdict<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST).read_to_end(&mut bytes).map_err(|error| Failure::file(path, &error))?;
    Ok(bytes)
}

/// `place`: the file and the folder it was found by, for the files that it asks for.
fn report(name: &str, bytes: &[u8], place: Option<(&Path, &Path)>) -> Report {
    let read = match (std::str::from_utf8(bytes), place) {
        (Ok(text), Some((path, within))) => {
            tow_formats::read_with(name, text, &attach::files(name, text, path, within))
        }
        _ => tow_formats::read_bytes(name, bytes),
    };
    let (documents, violations) = match read {
        Ok(documents) => (documents.iter().map(declared).collect(), Vec::new()),
        Err(violations) => (Vec::new(), violations),
    };
    Report { file: name.to_string(), ok: violations.is_empty(), documents, violations }
}

fn declared(document: &Document) -> Declared {
    match document {
        Document::Manifest(manifest) => {
            Declared { kind: manifest.kind.as_str(), name: manifest.metadata.name.to_string() }
        }
        Document::Score(score) => {
            Declared { kind: "Workload", name: score.workload.metadata.name.clone() }
        }
    }
}
