//! A broken rule gets its line.

use crate::document::Positions;
use crate::source::{Source, Span, snippet};
use tow_model::{Invalid, Spot};
use tow_record::{SourceLine, Violation};

/// The violation of a rule that was found broken after reading, such as at plan time. `file` is the file's name as the
/// user gave it, `positions` come from [`crate::ScoreFile`] or [`crate::positions`]; a pointer that is not among them
/// is shown at the nearest one above it. With `text` (the file as it was read) the line itself is shown too.
pub fn violation(
    file: &str,
    text: Option<&str>,
    positions: &Positions,
    invalid: &Invalid,
) -> Violation {
    let source = nearest(positions, &invalid.pointer).map(|(line, col)| match text {
        None => SourceLine { file: file.into(), line, col, length: 1, snippet: String::new() },
        Some(text) => {
            let source = Source::new(file, text);
            let words = source.line(line);
            let rest: String = words.chars().skip(col.saturating_sub(1) as usize).collect();
            let (skip, length) = extent(&rest, invalid.spot);
            SourceLine { file: file.into(), line, col: col + skip, length, snippet: snippet(words) }
        }
    });
    Violation {
        code: invalid.code.to_string(),
        pointer: invalid.pointer.clone(),
        message: invalid.message.clone(),
        expected: invalid.expected.clone(),
        hint: invalid.hint.clone(),
        source,
    }
}

fn nearest(positions: &Positions, pointer: &str) -> Option<(u32, u32)> {
    let mut at = pointer;
    loop {
        if let Some(found) = positions.get(at) {
            return Some(*found);
        }
        at = &at[..at.rfind('/')?];
    }
}

/// How many characters to go on and how many are meant, from what is left of the line.
fn extent(rest: &str, spot: Spot) -> (u32, u32) {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let whole = match quote {
        Some(quote) => rest.chars().skip(1).position(|c| c == quote).map(|end| end + 2),
        None => [" #", ": ", ", "]
            .iter()
            .filter_map(|end| rest.find(end))
            .min()
            .map(|byte| rest.get(..byte).unwrap_or(rest).chars().count()),
    };
    let whole = whole.unwrap_or_else(|| rest.trim_end().trim_end_matches(':').chars().count());
    if let Spot::Inside { offset, length } = spot {
        let offset = offset + usize::from(quote.is_some());
        if offset + length <= whole {
            return (offset as u32, length as u32);
        }
    }
    (0, whole.max(1) as u32)
}

/// The violation of a rule in a text that was just read: `span` is where.
pub(crate) fn located(source: &Source<'_>, span: Span, invalid: Invalid) -> Violation {
    let mut violation =
        source.violation(span, invalid.code, invalid.message, invalid.expected, invalid.hint);
    violation.pointer = invalid.pointer;
    violation
}
