//! How things look in text: problems with the offending line, tables, states, times.

use comfy_table::{Cell, Color, Table, presets};
use owo_colors::OwoColorize;
use std::fmt::Write;
use std::io::IsTerminal;
use tow_names::Timestamp;
use tow_record::{Problem, SourceLine, State, Violation};

/// A problem as a person reads it: what, where with the line itself, what was expected, what was left, a way on.
pub(crate) fn problem(problem: &Problem) -> String {
    let mut out = String::new();
    // Where a line below says it, with its place, the headline does not say the same.
    let below = problem.violations.iter().any(|violation| violation.message == problem.detail);
    let said = !problem.detail.is_empty() && (!below || problem.title.is_empty());
    let detail = if said { &problem.detail } else { &problem.title };
    let code = format!("[{}]", problem.code);
    line(&mut out, format_args!("{} {detail} {}", "error:".red().bold(), code.dimmed()));
    for violation in &problem.violations {
        out.push('\n');
        out.push_str(&self::violation(violation));
    }
    if !problem.violations.is_empty() && !problem.untouched.is_empty() {
        out.push('\n');
    }
    if !problem.untouched.is_empty() {
        line(&mut out, format_args!("  {}", problem.untouched));
    }
    let hints: Vec<&str> = problem.hint.as_deref().into_iter().collect();
    if !hints.is_empty() || !problem.next.is_empty() {
        out.push('\n');
    }
    for text in hints {
        line(&mut out, format_args!("{}", hint(text)));
    }
    for command in &problem.next {
        line(&mut out, format_args!("{} {}", " next:".cyan(), command));
    }
    out
}

/// `hint: …`
pub(crate) fn hint(text: &str) -> String {
    format!("{} {text}", "hint:".cyan().bold())
}

/// One broken rule, with the line it is written on.
pub(crate) fn violation(violation: &Violation) -> String {
    let mut out = String::new();
    let code = format!("[{}]", violation.code);
    match &violation.source {
        Some(source) => {
            let place = format!("{}:{}:{}", source.file, source.line, source.col);
            line(
                &mut out,
                format_args!("{}: {} {}", place.bold(), violation.message, code.dimmed()),
            );
            snippet(&mut out, source);
        }
        None if violation.pointer.is_empty() => {
            line(&mut out, format_args!("{} {}", violation.message, code.dimmed()));
        }
        None => {
            let at = violation.pointer.bold();
            line(&mut out, format_args!("{at}: {} {}", violation.message, code.dimmed()));
        }
    }
    let indent = violation.source.as_ref().map_or(0, |source| digits(source.line) + 1);
    if !violation.expected.is_empty() {
        line(
            &mut out,
            format_args!("{:indent$} {} {}", "", "= expected:".dimmed(), violation.expected),
        );
    }
    if let Some(text) = &violation.hint {
        line(&mut out, format_args!("{:indent$} {} {text}", "", "= hint:".cyan()));
    }
    out
}

/// The line and what of it is meant.
fn snippet(out: &mut String, source: &SourceLine) {
    if source.snippet.is_empty() {
        return;
    }
    let width = digits(source.line) + 1;
    let bar = "│".dimmed();
    // Tabs would put the carets in the wrong place; control characters would do worse on a terminal.
    let shown: String =
        source.snippet.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let before = (source.col as usize).saturating_sub(1).min(shown.chars().count());
    let rest = shown.chars().count() - before;
    let carets = "^".repeat((source.length as usize).clamp(1, rest.max(1)));
    line(out, format_args!("{:width$} {bar}", ""));
    line(out, format_args!("{:>width$} {bar} {}", source.line.dimmed(), shown.trim_end()));
    line(out, format_args!("{:width$} {bar} {:before$}{}", "", "", carets.red().bold()));
}

fn digits(number: u32) -> usize {
    number.to_string().len()
}

/// Writes a line; a string takes everything, so the result says nothing.
pub(crate) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

/// How a state looks: shape, word and colour.
fn look(state: State) -> (&'static str, Color) {
    match state {
        State::Live => ("●", Color::Green),
        State::Rolling => ("◐", Color::Blue),
        State::Waiting => ("…", Color::Blue),
        State::Degraded => ("▲", Color::Yellow),
        State::Failed => ("✕", Color::Red),
        State::Asleep => ("☾", Color::DarkGrey),
        State::Stopped => ("○", Color::DarkGrey),
        State::Unknown => ("?", Color::Magenta),
    }
}

/// A state in a table.
pub(crate) fn state_cell(state: State) -> Cell {
    let (symbol, color) = look(state);
    Cell::new(format!("{symbol} {state}")).fg(color)
}

/// A state in a line.
pub(crate) fn state(state: State) -> String {
    let (symbol, color) = look(state);
    let text = format!("{symbol} {state}");
    match color {
        Color::Green => text.green().to_string(),
        Color::Blue => text.blue().to_string(),
        Color::Yellow => text.yellow().to_string(),
        Color::Red => text.red().bold().to_string(),
        Color::DarkGrey => text.dimmed().to_string(),
        _ => text.magenta().to_string(),
    }
}

/// A table without lines, or `empty` where it has no rows. On a terminal the last column is cut to what is left of the
/// line, so that a long reason does not tear the table; elsewhere it is whole.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<Cell>>, empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_string();
    }
    let terminal = std::io::stdout().is_terminal().then(|| Table::new().width()).flatten();
    fitted(head, rows, terminal)
}

/// Between columns.
const GAP: u16 = 2;
/// The last column is never cut to less.
const LEAST: u16 = 16;

fn fitted(head: &[&str], rows: Vec<Vec<Cell>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    // Colour is taken away again where there is no terminal, by the stream.
    table.load_style(presets::NOTHING).enforce_styling().style_text_only();
    table.set_header(head.iter().map(|title| match *title {
        "" => Cell::new(""),
        title => Cell::new(title).fg(Color::DarkGrey),
    }));
    for mut row in rows {
        // A row is one line, whatever somebody's program wrote into its last words.
        if let Some(last) = row.last_mut().filter(|cell| cell.content().contains('\n')) {
            *last = Cell::new(last.content().split_whitespace().collect::<Vec<_>>().join(" "));
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    if let Some(width) = width {
        let widths = table.column_max_content_widths();
        let before: u16 = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
        let left = usize::from(width.saturating_sub(before).max(LEAST));
        for row in table.row_iter_mut() {
            let mut cells: Vec<Cell> = row.cell_iter().cloned().collect();
            if let Some(last) =
                cells.last_mut().filter(|cell| cell.content().chars().count() > left)
            {
                let kept: String = last.content().chars().take(left - 1).collect();
                *last = Cell::new(format!("{}…", kept.trim_end()));
                *row = comfy_table::Row::from(cells);
            }
        }
    }
    table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// A value, or a dash where there is none.
pub(crate) fn or_dash<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "–".to_string(), |value| value.to_string())
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: impl std::fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    let end = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{end}")
}

/// `2026-11-22 10:31:07` in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_string().replace('T', " ").chars().take(19).collect()
}

/// A reference as people say it: `web`, `team/web`.
pub(crate) fn short(reference: &str) -> String {
    let rest = reference.split_once(':').map_or(reference, |(_, rest)| rest);
    rest.strip_prefix("default/").unwrap_or(rest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_the_line() {
        let problem = Problem {
            hint: Some("tow schema Workload".into()),
            violations: vec![Violation {
                code: "score/unknown-field".into(),
                pointer: "/containers/main/imgae".into(),
                message: "there is no field imgae".into(),
                expected: "image".into(),
                hint: None,
                source: Some(SourceLine {
                    file: "score.yaml".into(),
                    line: 12,
                    col: 5,
                    length: 5,
                    snippet: "    imgae: .".into(),
                }),
            }],
            ..Problem::refusal("input/invalid", "score.yaml does not hold")
        };
        let plain = anstream::adapter::strip_str(&self::problem(&problem)).to_string();
        let expected = "\
error: score.yaml does not hold [input/invalid]

score.yaml:12:5: there is no field imgae [score/unknown-field]
    │
 12 │     imgae: .
    │     ^^^^^
    = expected: image

  nothing was changed

hint: tow schema Workload
";
        assert_eq!(plain, expected);
    }

    #[test]
    fn a_headline_does_not_say_what_the_line_below_says() {
        let only = Violation {
            code: "score/unknown-field".into(),
            pointer: "/x".into(),
            message: "there is no field x".into(),
            expected: String::new(),
            hint: None,
            source: None,
        };
        let problem = Problem {
            violations: vec![only],
            ..Problem::refusal("input/invalid", "there is no field x")
        };
        let plain = anstream::adapter::strip_str(&self::problem(&problem)).to_string();
        assert_eq!(plain.matches("there is no field x").count(), 1, "{plain}");
        assert!(plain.starts_with("error: The input is not valid [input/invalid]\n"), "{plain}");
    }

    #[test]
    fn a_long_reason_is_cut_where_a_terminal_is_narrow_and_a_row_is_one_line() {
        let rows = || {
            let long = "0123456789 0123456789 0123456789";
            vec![vec!["web".into(), long.into()], vec!["api".into(), "two\nlines".into()]]
        };
        let plain = |width| {
            anstream::adapter::strip_str(&fitted(&["NAME", "WHY"], rows(), width)).to_string()
        };
        let whole = "NAME  WHY\nweb   0123456789 0123456789 0123456789\napi   two lines\n";
        assert_eq!(plain(None), whole);
        assert_eq!(plain(Some(80)), whole);
        assert_eq!(plain(Some(26)), "NAME  WHY\nweb   0123456789 01234567…\napi   two lines\n");
        // Never less than can be read.
        assert_eq!(plain(Some(3)), "NAME  WHY\nweb   0123456789 0123…\napi   two lines\n");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!((&*count(1, "file"), &*count(0, "file")), ("1 file", "0 files"));
        assert_eq!(count(21_u64, "object"), "21 objects");
    }

    #[test]
    fn references_are_shown_short() {
        assert_eq!(short("component:default/web"), "web");
        assert_eq!(short("component:team/web"), "team/web");
        assert_eq!(short("web"), "web");
    }
}
