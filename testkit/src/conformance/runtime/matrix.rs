//! What a run found, as a table: a line a case, a column a runtime.

use super::{Case, cases};
use std::fmt::Write as _;
use tow_record::Can;

/// A case that can't hold on a runtime, and why; by runtime and name. Each is shown below the table.
pub const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "fake",
        "a program that is not there is told by its name",
        "where all programs are pretended, every one is there",
    ),
    (
        "fake",
        "an artifact that is not there is said, and may be tried again",
        "the pretended runtime unpacks nothing, so that it can stand beside the blobs of any platform",
    ),
];

/// Every runtime that there is, in the order of the table; one that can't be had on a machine is not run there.
const RUNTIMES: [&str; 4] = ["fake", "process", "sandbox", "container"];

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// It holds.
    Holds,
    /// The runtime lacks this, and refused it.
    Refused(Can),
    /// The exception at this place of [`EXCEPTIONS`].
    Exception(usize),
    /// It does not hold.
    Broken(String),
}

/// One runtime.
pub struct Column {
    /// Its name.
    pub runtime: &'static str,
    /// Case by case.
    pub cells: Vec<(Case, Cell)>,
}

impl Column {
    /// What does not hold, a line a case.
    pub fn broken(&self) -> Vec<String> {
        let words = |(case, cell): &(Case, Cell)| match cell {
            Cell::Broken(why) => {
                Some(format!("{}: {}: {}: {why}", self.runtime, case.group, case.name))
            }
            _ => None,
        };
        self.cells.iter().filter_map(words).collect()
    }

    fn cell(&self, case: &Case) -> Option<&Cell> {
        let same = |own: &Case| (own.group, own.name) == (case.group, case.name);
        self.cells.iter().find(|(own, _)| same(own)).map(|(_, cell)| cell)
    }
}

pub(super) fn exception(runtime: &str, case: &Case) -> Option<usize> {
    EXCEPTIONS.iter().position(|(at, name, _)| *at == runtime && *name == case.name)
}

fn word(cell: Option<&Cell>) -> String {
    match cell {
        Some(Cell::Holds) => "yes".into(),
        Some(Cell::Refused(lacking)) => format!("refused: {lacking}"),
        Some(Cell::Exception(at)) => format!("exception {}", at + 1),
        Some(Cell::Broken(_)) => "NO".into(),
        None => "not run".into(),
    }
}

/// The whole page.
pub fn print(columns: &[Column]) -> String {
    let mut page = String::from(INTRODUCTION);
    let mut group = "";
    for case in cases() {
        if case.group != group {
            group = case.group;
            let _ = writeln!(page, "\n## {group}\n\n| what holds | {} |", RUNTIMES.join(" | "));
            let _ = writeln!(page, "| --- |{}", " --- |".repeat(RUNTIMES.len()));
        }
        let of = |name: &&str| columns.iter().find(|column| column.runtime == *name);
        let words: Vec<String> =
            RUNTIMES.iter().map(|name| word(of(name).and_then(|c| c.cell(&case)))).collect();
        let _ = writeln!(page, "| {} | {} |", case.name, words.join(" | "));
    }
    if !EXCEPTIONS.is_empty() {
        page.push_str("\n## Exceptions\n\n");
    }
    for (at, (runtime, name, why)) in EXCEPTIONS.iter().enumerate() {
        let _ = writeln!(page, "{}. {runtime}, «{name}»: {why}", at + 1);
    }
    page
}

const INTRODUCTION: &str = "\
# What every runtime does

<!-- Printed by the conformance suite; `TOW_BLESS=1 cargo test -p tow --test it conformance` prints it anew. -->

The contract of the port `runtime`, case by case, as it was found on: **fake** (instances that are only pretended, in
tests), **process** (processes of the machine, isolation `none`), **sandbox** (processes with isolation `sandbox`) and
**container** (a container engine).

`yes`: it holds. `refused: X`: this runtime can't do X, and refuses what asks for it; a plan says so before anything is
started. What a machine lacks (no writable cgroup, no engine) makes more of them refused there: `tow doctor` says which.
";

/// How a page of this machine differs from the page that is kept: cell by cell, leaving out what was not run here, and
/// what this machine alone lacks.
pub fn compare(kept: &str, here: &str) -> Vec<String> {
    let rows = |page: &str| -> Vec<Vec<String>> {
        let lines = page.lines().filter(|line| line.starts_with("| "));
        lines
            .map(|line| line.split(" | ").map(|c| c.trim_matches(['|', ' ']).into()).collect())
            .collect()
    };
    let (kept, here) = (rows(kept), rows(here));
    let mut wrong = Vec::new();
    if kept.len() != here.len() {
        wrong.push(format!("{} lines are kept, {} were found", kept.len(), here.len()));
    }
    for (kept, here) in kept.iter().zip(&here) {
        let excused = |own: &str| own == "not run" || own.starts_with("refused: ");
        let same = kept.len() == here.len()
            && kept.iter().zip(here).all(|(kept, here)| kept == here || excused(here));
        if !same {
            wrong.push(format!("kept {kept:?}, found {here:?}"));
        }
    }
    wrong
}
