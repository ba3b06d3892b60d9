//! `tow audit verify`.

use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::count;
use owo_colors::OwoColorize;
use std::path::{Path, PathBuf};
use tow_api::Nothing;
use tow_api::audit::verify::{Body, VerifyAudit};
use tow_record::{AuditReport, Head};

/// Prove that the log is as it was sealed, or say what is not
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file with what `tow audit head` printed once: the log must still begin with that
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = Body { head: args.head.as_deref().map(head).transpose()? };
    cx.printer.wait("reading the log");
    let report = cx.client()?.call::<VerifyAudit>(&Nothing {}, &Nothing {}, &body).await;
    cx.printer.waited();
    let report = report?;
    cx.printer.data(&report, || text(&report))?;
    if report.findings.is_empty() { Ok(()) } else { Err(Failure::Shown(Exit::Failed)) }
}

fn head(path: &Path) -> Verdict<Head> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let read = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        false => tow_formats::read_head(&text).map_err(|error| error.to_string()),
    };
    read.map_err(|why| {
        Failure::new("input/invalid", format!("{}: {why}", path.display()))
            .hint("a file with what `tow audit head` printed")
    })
}

fn text(report: &AuditReport) -> String {
    let AuditReport { events, seals, sealed_to, last, erased, findings, more } = report;
    let mut text =
        format!("{}, {}; sealed to {sealed_to}", count(events, "event"), count(seals, "seal"));
    if sealed_to < last {
        text += &format!(", {} not sealed yet", last - sealed_to);
    }
    if *erased > 0 {
        text += &format!("; {erased} without their bodies");
    }
    text.push('\n');
    if findings.is_empty() {
        return text + &format!("{} the log is as it was sealed", "✓".green());
    }
    for finding in findings {
        text += &format!("{} {}\n", "✗".red(), finding.says);
    }
    if *more > 0 {
        text += &format!("and {more} more\n");
    }
    text
}
