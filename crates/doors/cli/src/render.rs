//! How things look in text: problems with the offending line, tables, states, times.

use comfy_table::{Cell, Color, Table, presets};
use owo_colors::OwoColorize;
use std::fmt::Write;
use std::io::IsTerminal;
use tow_names::Timestamp;
use tow_record::{Mode, Problem, SourceLine, State, Violation};

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

/// How what is live looks where its requests are held or refused: not as if all were well.
fn look_of(state: State, mode: &Mode) -> (&'static str, &'static str, Color) {
    match mode {
        Mode::Paused { .. } if state == State::Live => ("‖", "paused", Color::Yellow),
        Mode::Maintenance { .. } if state == State::Live => ("⊘", "maintenance", Color::Yellow),
        _ => {
            let (symbol, color) = look(state);
            (symbol, state.as_str(), color)
        }
    }
}

/// A state in a table.
pub(crate) fn state_cell(state: State) -> Cell {
    served_cell(state, &Mode::Serving)
}

/// The same of what answers requests.
pub(crate) fn served_cell(state: State, mode: &Mode) -> Cell {
    let (symbol, word, color) = look_of(state, mode);
    Cell::new(format!("{symbol} {word}")).fg(color)
}

/// A state in a line.
pub(crate) fn state(state: State) -> String {
    served(state, &Mode::Serving)
}

/// The same of what answers requests.
pub(crate) fn served(state: State, mode: &Mode) -> String {
    let (symbol, word, color) = look_of(state, mode);
    let text = format!("{symbol} {word}");
    match color {
        Color::Green => text.green().to_string(),
        Color::Blue => text.blue().to_string(),
        Color::Yellow => text.yellow().to_string(),
        Color::Red => text.red().bold().to_string(),
        Color::DarkGrey => text.dimmed().to_string(),
        _ => text.magenta().to_string(),
    }
}

/// A table without lines, or `empty` where it has no rows. Nothing is ever cut: where a terminal is too narrow, what
/// does not fit stands whole beneath its row.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<Cell>>, empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_string();
    }
    let terminal = std::io::stdout().is_terminal().then(|| Table::new().width()).flatten();
    fitted(head, rows, terminal)
}

/// Between columns.
const GAP: usize = 2;
/// Before what stands beneath a row.
const BENEATH: usize = 4;
/// With less than this left, nothing of a last column stands in its row.
const LEAST: usize = 16;

fn fitted(head: &[&str], mut rows: Vec<Vec<Cell>>, width: Option<u16>) -> String {
    for cell in rows.iter_mut().flatten() {
        // A row is one line, whatever somebody's program wrote into its last words.
        if cell.content().contains('\n') {
            *cell = Cell::new(cell.content().split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let Some(width) = width.map(usize::from) else { return lines(head, rows).concat() };
    let widths = columns(head, &rows);
    // So many of the first columns fit, each as wide as its widest cell.
    let mut ends = widths.iter().scan(0, |end, width| {
        *end += width + GAP;
        Some(*end - GAP)
    });
    let fit = ends.by_ref().take_while(|end| *end <= width).count().max(1);
    if fit == head.len() {
        return lines(head, rows).concat();
    }
    // The last column, and it alone, may stand in some rows and beneath others: nothing comes after it.
    let before: usize = widths[..fit].iter().map(|width| width + GAP).sum();
    let left = width.saturating_sub(before);
    let is_last = fit + 1 == head.len() && left >= LEAST;
    let mut beneath = Vec::new();
    for row in &mut rows {
        let mut under = row.split_off(fit);
        if is_last && under.first().is_some_and(|cell| length(cell) <= left) {
            row.append(&mut under);
        }
        let titles = head[fit..].iter();
        let said = titles.zip(&under).map(|(title, cell)| (*title, cell.content()));
        let said: Vec<String> = said
            .filter(|(_, text)| !matches!(text.as_str(), "" | "–"))
            .map(|(title, text)| match title {
                "" | "REMARK" | "REASON" | "WHY" => text,
                title => format!("{}: {text}", title.to_lowercase()),
            })
            .flat_map(|text| wrapped(&text, width.saturating_sub(BENEATH).max(LEAST)))
            .map(|line| format!("{:BENEATH$}{line}\n", ""))
            .collect();
        beneath.push(said.concat());
    }
    let head = &head[..if is_last { head.len() } else { fit }];
    let mut out = String::new();
    let below = std::iter::once(String::new()).chain(beneath);
    for (line, below) in lines(head, rows).into_iter().zip(below) {
        out.push_str(&line);
        out.push_str(&below);
    }
    out
}

/// How wide each column is.
fn columns(head: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(length).max();
    let titled = head.iter().enumerate();
    titled.map(|(at, title)| title.chars().count().max(widest(at).unwrap_or(0))).collect()
}

fn length(cell: &Cell) -> usize {
    cell.content().chars().count()
}

/// The head's line and one for each row.
fn lines(head: &[&str], rows: Vec<Vec<Cell>>) -> Vec<String> {
    let mut table = Table::new();
    // Colour is taken away again where there is no terminal, by the stream.
    table.load_style(presets::NOTHING).enforce_styling().style_text_only();
    table.set_header(head.iter().map(|title| match *title {
        "" => Cell::new(""),
        title => Cell::new(title).fg(Color::DarkGrey),
    }));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
    }
    table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// In lines of at most so many characters, broken between words. A word that is longer stands whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
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
    // The platform's own actors have no namespace, and are known by the whole.
    if reference.starts_with("system:") {
        return reference.to_string();
    }
    let rest = reference.split_once(':').map_or(reference, |(_, rest)| rest);
    rest.strip_prefix("default/").unwrap_or(rest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_short_as_they_may_be() {
        for (whole, shown) in [
            ("component:default/web", "web"),
            ("user:other/ann", "other/ann"),
            ("system:rollout", "system:rollout"),
        ] {
            assert_eq!(short(whole), shown);
        }
    }

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
    fn what_does_not_fit_stands_whole_beneath_its_row_and_a_row_is_one_line() {
        let long = "paused: requests are held, up to 30s; it comes to that by itself";
        let rows = || -> Vec<Vec<Cell>> {
            vec![
                vec!["web".into(), "http://web-development.localhost:7080/".into(), long.into()],
                vec!["api".into(), "–".into(), "two\nlines".into()],
                vec!["job".into(), "–".into(), "".into()],
            ]
        };
        let plain = |width| {
            let text = fitted(&["NAME", "URL", "REMARK"], rows(), width);
            anstream::adapter::strip_str(&text).to_string()
        };
        let url = "http://web-development.localhost:7080/";
        let whole = format!(
            "NAME  {:38}  REMARK\nweb   {url}  {long}\napi   {:38}  two lines\njob   –\n",
            "URL", "–"
        );
        assert_eq!(plain(None), whole);
        assert_eq!(plain(Some(200)), whole);
        // The last column stands in its row where it fits there.
        let seventy = format!(
            "NAME  {:38}  REMARK\nweb   {url}\n    {long}\napi   {:38}  two lines\njob   –\n",
            "URL", "–"
        );
        assert_eq!(plain(Some(70)), seventy);
        // Narrower, nothing but the first columns has a line in common.
        let thirty = "NAME\nweb\n    url:\n    http://web-development.localhost:7080/\n    \
                      paused: requests are held,\n    up to 30s; it comes to\n    that by itself\n\
                      api\n    two lines\njob\n";
        assert_eq!(plain(Some(30)), thirty);
        for width in 1..120 {
            let shown = plain(Some(width));
            let (said, meant): (Vec<&str>, Vec<&str>) =
                (shown.split_whitespace().collect(), whole.split_whitespace().collect());
            let gone = meant.iter().find(|word| **word != "–" && !said.contains(word));
            assert!(gone.is_none_or(|word| ["URL", "REMARK"].contains(word)), "{width}: {shown}");
            let longest = shown
                .lines()
                .filter(|line| !line.contains("http"))
                .map(|line| line.chars().count());
            assert!(width < 20 || longest.max() <= Some(width.into()), "{width}: {shown}");
        }
    }

    #[test]
    fn what_is_live_does_not_look_so_while_it_answers_nobody() {
        let limit = tow_names::Duration::from_secs(30);
        let plain = |text: String| anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain(served(State::Live, &Mode::Serving)), "● live");
        assert_eq!(plain(served(State::Live, &Mode::Paused { limit })), "‖ paused");
        // What is worse is said all the same.
        assert_eq!(plain(served(State::Failed, &Mode::Paused { limit })), "✕ failed");
        let green = served(State::Live, &Mode::Serving).replace("● live", "‖ paused");
        assert_ne!(green, served(State::Live, &Mode::Paused { limit }));
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
