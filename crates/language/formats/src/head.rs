//! The head of the log as text: what was signed, the signature, and the public half of the key. Whoever keeps it can prove
//! later that the log still begins with what it was then.

use tow_names::Timestamp;
use tow_record::{Head, Signature};

/// The text is no head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadError {
    /// From 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl std::fmt::Display for HeadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this is no head of the log: line {}: expected {}", self.line, self.expected)
    }
}

impl std::error::Error for HeadError {}

/// As text: the signed statement, to the byte, and then what proves it.
pub fn head_text(head: &Head) -> String {
    let Signature { key, signature } = &head.signature;
    let statement = head.seal().statement();
    format!("{statement}key {key}\npublic {}\nsignature {signature}\n", head.public)
}

/// Reads what [`head_text`] wrote.
pub fn read_head(text: &str) -> Result<Head, HeadError> {
    let mut lines = (1..).zip(text.lines());
    let mut line = |word: &'static str| -> Result<(usize, String), HeadError> {
        let (at, line) = lines.next().unwrap_or((text.lines().count() + 1, ""));
        let rest = line.trim_end().strip_prefix(word);
        // The first seal has no root before it.
        match rest.map(|rest| rest.strip_prefix(' ').unwrap_or(rest)) {
            Some(rest) => Ok((at, rest.to_string())),
            None => Err(HeadError { line: at, expected: word }),
        }
    };
    let number = |(at, text): (usize, String)| {
        text.parse::<i64>().map_err(|_| HeadError { line: at, expected: "a whole number" })
    };
    line("towpath seal 1")?;
    let seal = number(line("number")?)?;
    let (at, events) = line("events")?;
    let (from, to) = events.split_once(' ').unwrap_or((&events, ""));
    let (from, to) = (number((at, from.into()))?, number((at, to.into()))?);
    let (previous, root) = (line("previous")?.1, line("root")?.1);
    let (at, time) = line("at")?;
    let time = serde_json::from_value::<Timestamp>(time.into());
    let time = time.map_err(|_| HeadError { line: at, expected: "a time, as RFC 3339 has it" })?;
    let (key, public, signature) = (line("key")?.1, line("public")?.1, line("signature")?.1);
    let signature = Signature { key, signature };
    Ok(Head { number: seal, from, to, previous, root, at: time, signature, public })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            number: 2,
            from: 11,
            to: 17,
            previous: "aa".into(),
            root: "bb".into(),
            at: Timestamp(1_700_000_000_123_456),
            signature: Signature { key: "sign-1".into(), signature: "c2ln".into() },
            public: "cHVi".into(),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let first = Head { number: 1, from: 1, previous: String::new(), ..head() };
        for head in [head(), first] {
            let text = head_text(&head);
            assert!(text.starts_with(&head.seal().statement()), "what was signed stands first");
            assert_eq!(read_head(&text), Ok(head.clone()));
            assert_eq!(read_head(&text.replace('\n', "\r\n")), Ok(head));
        }
    }

    #[test]
    fn what_is_no_head_is_told_by_its_line() {
        let text = head_text(&head());
        for (bad, line, expected) in [
            (String::new(), 1, "towpath seal 1"),
            (text.replace("number 2", "number two"), 2, "a whole number"),
            (text.replace("events 11 17", "events 11"), 3, "a whole number"),
            (text.replace("root", "boot"), 5, "root"),
            (text.replace("at 2023", "at noon 2023"), 6, "a time, as RFC 3339 has it"),
            (text.lines().take(8).collect::<Vec<_>>().join("\n"), 9, "signature"),
        ] {
            assert_eq!(read_head(&bad), Err(HeadError { line, expected }), "{bad}");
        }
    }
}
