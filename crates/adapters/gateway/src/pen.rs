//! Values of headers, written one behind the other into one piece of memory: a request is given eight of them, and memory
//! of its own for each costs more than all else that is done to its head.

use bytes::{BufMut as _, BytesMut};
use http::header::HeaderValue;
use std::fmt::Write as _;
use std::net::IpAddr;

/// For what a request is given, unless its host or its way here is long.
const USUAL: usize = 384;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes values.
pub(crate) struct Pen(BytesMut);

impl Default for Pen {
    fn default() -> Self {
        Self(BytesMut::with_capacity(USUAL))
    }
}

impl Pen {
    /// This text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.put_slice(text.as_bytes());
        self
    }

    /// The last hexadecimal digits of a number, so many.
    pub(crate) fn hex<const MANY: usize>(&mut self, number: u64) -> &mut Self {
        let digit = |at: usize| DIGITS[(number >> ((MANY - 1 - at) * 4)) as usize & 15];
        self.0.put_slice(&std::array::from_fn::<u8, MANY, _>(digit));
        self
    }

    /// A number.
    pub(crate) fn number(&mut self, number: u16) -> &mut Self {
        let _ = write!(self.0, "{number}");
        self
    }

    /// An address, as it stands in lists.
    pub(crate) fn address(&mut self, address: IpAddr) -> &mut Self {
        let _ = match address {
            // At once: the formatter would do it piece by piece.
            IpAddr::V4(ip) => self.0.write_str(octets(ip.octets(), &mut [0; 15])),
            IpAddr::V6(ip) => write!(self.0, "{ip}"),
        };
        self
    }

    /// What was written since the last value; nothing where it can't stand in a header.
    pub(crate) fn value(&mut self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.0.split().freeze()).ok()
    }
}

fn octets(octets: [u8; 4], text: &mut [u8; 15]) -> &str {
    let mut length = 0;
    for octet in octets {
        let digits = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10, b'.'];
        let empty = if octet >= 100 { 0 } else { 2 - usize::from(octet >= 10) };
        for digit in &digits[empty..] {
            // Behind the last one there is no dot.
            if let Some(place) = text.get_mut(length) {
                *place = *digit;
                length += 1;
            }
        }
    }
    std::str::from_utf8(&text[..length]).map_or("", |text| text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_the_standard_library_writes_them() {
        let mut pen = Pen::default();
        for text in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "10.99.100.9", "::1", "2001:db8::7"]
        {
            assert_eq!(pen.address(text.parse().unwrap()).value().unwrap(), text);
        }
        for number in [0, 7, u64::MAX, 0x0123_4567_89ab_cdef] {
            let whole = format!("{number:016x}");
            assert_eq!(pen.hex::<16>(number).value().unwrap(), whole);
            assert_eq!(pen.hex::<4>(number).value().unwrap(), whole[12..]);
        }
        let long = "x".repeat(10_000);
        assert_eq!(pen.text(&long).number(65_535).value().unwrap(), format!("{long}65535"));
        assert_eq!(pen.text("a\nb").value(), None);
        assert_eq!(pen.value().unwrap(), "");
    }
}
