//! Two streams in one, as engines send output: each piece with a head of eight bytes that tells the stream and the
//! length.

use bytes::{Buf as _, Bytes, BytesMut};

/// Which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Takes bytes as they come, gives pieces as they are whole.
#[derive(Debug, Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole piece.
    pub(crate) fn next(&mut self) -> Option<(Stream, Bytes)> {
        let head = self.0.first_chunk::<8>()?;
        let stream = if head[0] == 2 { Stream::Err } else { Stream::Out };
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if self.0.len() < 8 + length {
            return None;
        }
        self.0.advance(8);
        Some((stream, self.0.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_whole_however_they_arrive() {
        let mut all = Vec::new();
        for (stream, text) in [(1u8, "one\n"), (2, ""), (2, "two")] {
            all.extend([stream, 0, 0, 0]);
            all.extend((text.len() as u32).to_be_bytes());
            all.extend(text.as_bytes());
        }
        for step in [1, 3, 100] {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for part in all.chunks(step) {
                frames.push(part);
                while let Some((stream, bytes)) = frames.next() {
                    found.push((stream, String::from_utf8(bytes.to_vec()).unwrap()));
                }
            }
            let wanted = [(Stream::Out, "one\n"), (Stream::Err, ""), (Stream::Err, "two")];
            assert_eq!(found, wanted.map(|(stream, text)| (stream, text.to_string())), "{step}");
        }
    }
}
