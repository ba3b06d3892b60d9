//! Reads `text/event-stream` (WHATWG HTML, 9.2.6) from the pieces of a body: `id` and `data`, comments skipped.

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// The last `id` seen, empty where there was none.
    pub(crate) id: String,
    /// The `event` field; empty for the default one.
    pub(crate) event: String,
    /// The `data` lines, joined.
    pub(crate) data: String,
}

/// More than one message of ours can be; a stream that sends a longer one is not ours.
const LONGEST: usize = 16 << 20;

/// Takes pieces, gives messages.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    rest: Vec<u8>,
    id: String,
    event: String,
    data: Option<String>,
}

impl Parser {
    /// Feeds a piece; the messages it completed.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Message>, String> {
        self.rest.extend_from_slice(piece);
        let mut out = Vec::new();
        let mut from = 0;
        while let Some(end) = self.rest[from..].iter().position(|byte| *byte == b'\n') {
            let line = &self.rest[from..from + end];
            let line =
                String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            from += end + 1;
            self.line(&line, &mut out);
        }
        self.rest.drain(..from);
        if self.rest.len() + self.data.as_ref().map_or(0, String::len) > LONGEST {
            return Err("a message of the stream is longer than 16 MiB".into());
        }
        Ok(out)
    }

    fn line(&mut self, line: &str, out: &mut Vec<Message>) {
        if line.is_empty() {
            if let Some(data) = self.data.take() {
                let event = std::mem::take(&mut self.event);
                out.push(Message { id: self.id.clone(), event, data });
            }
            self.event.clear();
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.id = value.to_string(),
            "event" => self.event = value.to_string(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_string()),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_may_break_anywhere() {
        let text = ": hello\n\nid: 7\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nevent: end\ndata\n\n";
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            let mut got = parser.feed(&text.as_bytes()[..cut]).expect("short");
            got.extend(parser.feed(&text.as_bytes()[cut..]).expect("short"));
            assert_eq!(got.len(), 2, "cut at {cut}");
            assert_eq!((got[0].id.as_str(), got[0].data.as_str()), ("7", "{\"a\":\n1}"));
            assert_eq!(
                (got[1].id.as_str(), got[1].event.as_str(), got[1].data.as_str()),
                ("7", "end", "")
            );
        }
    }
}
