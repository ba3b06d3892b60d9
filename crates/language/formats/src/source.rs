//! A text with a name: turns byte offsets into lines and columns, and cuts out the line to show. Knows nothing of what
//! the text says.

use tow_record::{SourceLine, Violation};

/// How much of a line is shown, in characters.
const SNIPPET: usize = 240;

/// A range of bytes in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Characters are counted ahead every so many bytes, so that a place in one very long line costs no more than another.
const STEP: usize = 256;

/// A text, its name, and where its lines begin.
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    starts: Vec<usize>,
    /// How many characters begin before each multiple of [`STEP`] bytes.
    counted: Vec<usize>,
}

impl<'a> Source<'a> {
    /// A line ends at LF, CR LF or CR, as in YAML.
    pub(crate) fn new(name: &'a str, text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                starts.push(at + 1);
            }
        }
        let mut counted = vec![0];
        let mut characters = 0;
        for chunk in bytes.chunks(STEP) {
            characters += begun(chunk);
            counted.push(characters);
        }
        Self { name, text, starts, counted }
    }

    /// How many characters begin before a byte.
    fn characters(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        let step = byte / STEP;
        let before = self.counted.get(step).copied().unwrap_or(0);
        before + self.text.as_bytes().get(step * STEP..byte).map_or(0, begun)
    }

    /// Line and column, from 1, columns in characters.
    pub(crate) fn position(&self, byte: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        (line as u32, (self.characters(byte) - self.characters(start)) as u32 + 1)
    }

    /// Where a line and column are, in bytes.
    pub(crate) fn byte(&self, line: u32, col: u32) -> usize {
        let Some(start) = self.starts.get((line as usize).saturating_sub(1)).copied() else {
            return self.text.len();
        };
        let rest = self.line(line);
        rest.char_indices()
            .nth((col as usize).saturating_sub(1))
            .map_or(start + rest.len(), |(i, _)| start + i)
    }

    /// A line without its end.
    pub(crate) fn line(&self, line: u32) -> &'a str {
        let index = (line as usize).saturating_sub(1);
        let Some(start) = self.starts.get(index).copied() else { return "" };
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// What is written in a span.
    pub(crate) fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// The line a span begins in, with the span's length up to the end of that line.
    pub(crate) fn line_of(&self, span: Span) -> SourceLine {
        let (line, col) = self.position(span.start);
        let text = self.line(line);
        let line_end = self.byte(line, 1) + text.len();
        let end = span.end.min(line_end).max(span.start);
        let length = ((self.characters(end) - self.characters(span.start)) as u32).max(1);
        SourceLine { file: self.name.to_string(), line, col, length, snippet: snippet(text) }
    }

    /// A violation at a span.
    pub(crate) fn violation(
        &self,
        span: Span,
        code: &str,
        message: impl Into<String>,
        expected: impl Into<String>,
        hint: Option<String>,
    ) -> Violation {
        Violation {
            code: code.to_string(),
            pointer: String::new(),
            message: message.into(),
            expected: expected.into(),
            hint,
            source: Some(self.line_of(span)),
        }
    }
}

/// How many characters begin in these bytes of a text.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// One character of a line for each character shown, so that columns still fit; control characters become blanks.
pub(crate) fn snippet(line: &str) -> String {
    line.chars().take(SNIPPET).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_yaml_and_columns_count_characters() {
        let source = Source::new("x", "a\r\nbé c\rd\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(7), (2, 4));
        assert_eq!(source.position(9), (3, 1));
        assert_eq!(source.byte(2, 4), 7);
        assert_eq!(source.line(2), "bé c");
        assert_eq!(source.position(11), (4, 1));
    }

    #[test]
    fn columns_of_long_lines_count_characters_too() {
        let text = "é".repeat(1000);
        let source = Source::new("x", &text);
        for chars in [0, 1, 127, 128, 129, 999, 1000] {
            assert_eq!(source.position(chars * 2), (1, chars as u32 + 1));
        }
    }
}
