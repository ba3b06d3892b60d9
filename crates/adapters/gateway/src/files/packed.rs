//! Texts in fewer bytes: made once, kept in memory up to a bound. What is in the folder is never written to.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Shorter than this, a text goes out as it is: the headers weigh more than what is won.
const LEAST: u64 = 512;
/// Longer than this, a file is streamed as it is.
const MOST: u64 = 8 << 20;
/// Bytes that are kept.
const KEPT: usize = 32 << 20;

/// Packed bodies by the tag of what they were made of.
#[derive(Default)]
pub(super) struct Packed {
    kept: Mutex<(usize, HashMap<String, Bytes>)>,
}

impl Packed {
    /// Is it worth while for a file of this length?
    pub(super) fn is_worth_while(length: u64) -> bool {
        (LEAST..=MOST).contains(&length)
    }

    /// Blocking: the body in gzip's format (RFC 1952); `None` where that is not shorter.
    pub(super) fn pack(&self, tag: &str, read: impl Fn() -> io::Result<Vec<u8>>) -> Option<Bytes> {
        let known = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.1.get(tag).cloned()
        };
        if let Some(known) = known {
            return (!known.is_empty()).then_some(known);
        }
        let plain = read().ok()?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).ok()?;
        let packed = encoder.finish().ok()?;
        // Nothing is kept as such, so that what does not pack is not tried at each request.
        let packed =
            if packed.len() < plain.len() { Bytes::from(packed) } else { Bytes::default() };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, all) = &mut *kept;
        if *size + packed.len() > KEPT {
            all.clear();
            *size = 0;
        }
        *size += packed.len();
        all.insert(tag.to_string(), packed.clone());
        (!packed.is_empty()).then_some(packed)
    }
}

/// Does whoever asks take gzip? (RFC 9110, section 12.5.3; a weight of 0 says no.)
pub(super) fn takes_gzip(asked: &HeaderMap) -> bool {
    let mut any = None;
    for value in asked.get_all(ACCEPT_ENCODING) {
        for part in value.to_str().unwrap_or_default().split(',') {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").map(str::trim);
            let wanted = weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => return wanted,
                "*" => any = Some(wanted),
                _ => {}
            }
        }
    }
    any.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::cell::Cell;

    #[test]
    fn gzip_is_taken_where_it_is_said_and_not_refused() {
        for (said, takes) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(said));
            assert_eq!(takes_gzip(&headers), takes, "{said}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_was_packed_once_is_kept_and_what_does_not_pack_is_not_tried_again() {
        let packed = Packed::default();
        let reads = Cell::new(0);
        let read = |body: Vec<u8>| {
            reads.set(reads.get() + 1);
            Ok(body)
        };
        let text = || read(b"all work and no play ".repeat(100));
        let first = packed.pack("a", text).unwrap();
        assert!(first.len() < 200);
        assert_eq!(packed.pack("a", text), Some(first));
        let noise = || read(vec![7]);
        assert_eq!(packed.pack("b", noise), None);
        assert_eq!(packed.pack("b", noise), None);
        assert_eq!(reads.get(), 2);
    }
}
