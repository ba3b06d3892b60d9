//! Points in time in microseconds, and durations as people write them (`500ms`, `30s`, `5m`, `1h30m`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. A number in the store, RFC 3339 text everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, JsonSchema)]
#[schemars(with = "String")]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.micros()))
    }

    /// From `earlier` to here; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::Timestamp>()
            .map(|at| Self(at.as_microsecond()))
            .map_err(serde::de::Error::custom)
    }
}

/// A length of time, never negative, written with units: `250ms`, `10s`, `5m`, `2h`, `1d`, or several (`1h30m`).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^([0-9]{1,7}(us|ms|s|m|h|d)){1,6}$"))]
pub struct Duration(i64);

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a duration: expected a number with a unit (us, ms, s, m, h, d), as in 30s or 1h30m"
)]
pub struct DurationError(pub String);

const UNITS: [(&str, i64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From microseconds; a negative number counts as zero.
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 { 0 } else { micros })
    }
    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis * 1_000)
    }
    /// From seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_micros(secs * 1_000_000)
    }
    /// In microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }
    /// In milliseconds, rounded down.
    pub const fn millis(self) -> i64 {
        self.0 / 1_000
    }
    /// As the standard library has it.
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0 as u64)
    }
}

impl std::str::FromStr for Duration {
    type Err = DurationError;
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let bad = || DurationError(text.to_string());
        let mut rest = text.trim();
        let mut total: i64 = 0;
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let number: i64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(bad)?.1;
            total = number.checked_mul(unit).and_then(|n| n.checked_add(total)).ok_or_else(bad)?;
            rest = &rest[letters..];
        }
        Ok(Self(total))
    }
}

impl TryFrom<String> for Duration {
    type Error = DurationError;
    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, micros) in UNITS.iter().rev() {
            let count = rest / micros;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                rest %= micros;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_written() {
        for text in ["0s", "50ms", "1h30m", "2d", "1s250ms"] {
            let read: Duration = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
        for bad in ["", "5", "s", "5 s", "-5s", "5y", "99999999999999d"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }
}
