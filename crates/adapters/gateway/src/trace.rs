//! The trace a request belongs to, as W3C Trace Context has it: continued where a client says a valid one, else begun
//! here. The gateway keeps no spans; it only gives each request one, so that its access log can be found from a trace.

use crate::pen::Pen;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::hash::{BuildHasher, RandomState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's trace.
pub(crate) struct Trace {
    /// `00-TRACE-SPAN-FLAGS`.
    parent: HeaderValue,
    continued: bool,
}

impl Trace {
    /// Of these headers.
    pub(crate) fn of(headers: &HeaderMap, pen: &mut Pen) -> Self {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let one = given.next().filter(|_| given.next().is_none());
        let valid = one.and_then(|value| value.to_str().ok()).and_then(valid);
        let continued = valid.is_some();
        let span = random() | 1;
        pen.text("00-");
        match valid {
            Some((trace, flags)) => pen.text(trace).text("-").hex::<16>(span).text("-").text(flags),
            // Sampled: what comes after us decides by itself what it keeps.
            None => pen
                .hex::<16>(random() | 1)
                .hex::<16>(random())
                .text("-")
                .hex::<16>(span)
                .text("-01"),
        };
        let parent = pen.value().unwrap_or_else(|| HeaderValue::from_static(""));
        Self { parent, continued }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        self.parent.to_str().ok().and_then(|text| text.get(3..35)).unwrap_or_default()
    }

    /// Says it to an instance. A state without a valid parent belongs to nothing.
    pub(crate) fn hand_on(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent.clone());
        if !self.continued {
            headers.remove(TRACESTATE);
        }
    }
}

/// Trace id and flags of a valid `traceparent`.
fn valid(text: &str) -> Option<(&str, &str)> {
    let hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.splitn(5, '-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let rest = parts.next();
    let lengths = [version.len(), trace.len(), span.len(), flags.len()] == [2, 32, 16, 2];
    let nothing = |part: &str| part.bytes().all(|b| b == b'0');
    let valid = lengths
        && [version, trace, span, flags].into_iter().all(hex)
        && version != "ff"
        && (version != "00" || rest.is_none())
        && !nothing(trace)
        && !nothing(span);
    valid.then_some((trace, flags))
}

/// A number that nobody can foresee; no secret.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn headers(given: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for text in given {
            headers.append(TRACEPARENT, HeaderValue::from_str(text).unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        headers
    }

    #[test]
    fn a_valid_trace_is_continued_with_a_span_of_our_own() {
        let mut given = headers(&[GIVEN]);
        let trace = Trace::of(&given, &mut Pen::default());
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        trace.hand_on(&mut given);
        let sent = given[TRACEPARENT].to_str().unwrap();
        assert!(sent.starts_with(&GIVEN[..36]) && sent.ends_with("-00") && sent != GIVEN);
        assert_eq!(given[TRACESTATE], "a=1");
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(Trace::of(&headers(&[later]), &mut Pen::default()).id(), trace.id());
    }

    #[test]
    fn what_is_not_valid_is_replaced() {
        let upper = GIVEN.to_uppercase();
        let zero = format!("00-{}-00f067aa0ba902b7-00", "0".repeat(32));
        let no_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-00", "0".repeat(16));
        let ff = GIVEN.replacen("00", "ff", 1);
        let longer = format!("{GIVEN}-x");
        let bad: [&[&str]; 8] =
            [&[], &[""], &[&upper], &[&zero], &[&no_span], &[&ff], &[&longer], &[GIVEN, GIVEN]];
        for given in bad {
            let mut headers = headers(given);
            let trace = Trace::of(&headers, &mut Pen::default());
            assert!(valid(trace.parent.to_str().unwrap()).is_some(), "{given:?}");
            assert_ne!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736", "{given:?}");
            trace.hand_on(&mut headers);
            assert!(!headers.contains_key(TRACESTATE));
        }
        let fresh = || Trace::of(&HeaderMap::new(), &mut Pen::default());
        assert_ne!(fresh().id(), fresh().id());
    }
}
