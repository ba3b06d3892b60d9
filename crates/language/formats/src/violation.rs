//! A broken rule gets its line.

use crate::document::Positions;
use crate::source::{Source, Span, snippet};
use crate::{MAX_BYTES, score, yaml};
use tow_model::Invalid;
use tow_record::{SourceLine, Violation};

/// The violation of a rule that was found broken after reading, such as at plan time. `file` is the file's name as the
/// user gave it; `positions` come from [`crate::ScoreFile`] or [`crate::positions`]. A pointer to what is not written is
/// shown at the nearest thing above it.
///
/// With `text`, the file as it was read, the line itself is shown, and keys and parts of texts (see
/// [`tow_model::Spot`]) are pointed at exactly; without it only line and column of the value are known.
pub fn violation(
    file: &str,
    text: Option<&str>,
    positions: &Positions,
    invalid: &Invalid,
) -> Violation {
    let known = nearest(positions, &invalid.pointer);
    let source = match text.map(|text| Source::new(file, text.trim_start_matches('\u{feff}'))) {
        Some(source) => exact(&source, positions, invalid)
            .map(|span| source.line_of(span))
            .or_else(|| known.map(|at| line(file, at, snippet(source.line(at.0))))),
        None => known.map(|at| line(file, at, String::new())),
    };
    Violation {
        code: invalid.code.to_string(),
        pointer: invalid.pointer.clone(),
        message: invalid.message.clone(),
        expected: invalid.expected.clone(),
        hint: invalid.hint.clone(),
        source,
    }
}

fn line(file: &str, (line, col): (u32, u32), snippet: String) -> SourceLine {
    SourceLine { file: file.to_string(), line, col, length: 1, snippet }
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

/// Reads the text once more to point at keys and parts of texts; the document is the one that begins where the
/// positions say.
fn exact(source: &Source<'_>, positions: &Positions, invalid: &Invalid) -> Option<Span> {
    let begin = positions.get("")?;
    if source.text.len() > MAX_BYTES {
        return None;
    }
    let (roots, _) = yaml::read(source);
    let root = roots.iter().find(|root| source.position(root.span.start) == *begin)?;
    let root = score::normalised(root, source, &mut Vec::new());
    Some(root.spot(&invalid.pointer, invalid.spot, source.text))
}

/// The violation of a rule in a text that was just read: `span` is where.
pub(crate) fn located(source: &Source<'_>, span: Span, invalid: Invalid) -> Violation {
    let mut violation =
        source.violation(span, invalid.code, invalid.message, invalid.expected, invalid.hint);
    violation.pointer = invalid.pointer;
    violation
}
