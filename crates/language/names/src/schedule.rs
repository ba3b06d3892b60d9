//! When something is due: a cron pattern in a time zone. Parsed once, strictly; says the next time after a given one and
//! asks no clock.
//!
//! The rule where clocks are put forward or back. A pattern that names its hour and minute (`30 2 * * *`) is due once a
//! day: where that time does not exist, at the first moment after the gap; where it happens twice, at the first of the
//! two. A pattern that repeats by itself (`*/15 * * * *`) follows the clock as it goes: nothing in a gap, and in an hour
//! that happens twice it is due in both.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::tz::TimeZone;

use crate::Timestamp;

/// A pattern that is due at nothing is known by not being due in the years after this day (2024-01-01), whatever the
/// time is now: the same text is always judged the same.
const JUDGED_FROM: Timestamp = Timestamp(1_704_067_200_000_000);
/// 29 February comes again after eight years at the latest.
const JUDGED_FOR: i64 = 12 * 366 * 86_400_000_000;

/// A cron pattern of five fields (or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`) in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    zone: String,
    cron: Cron,
    tz: TimeZone,
}

/// Why there is no such schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The pattern is not one.
    #[error("{text:?} is not a schedule: {why}")]
    Pattern {
        /// As written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// No such zone is in the time zone database.
    #[error("there is no time zone {0:?}")]
    Zone(String),
    /// It is a pattern, and no date meets it.
    #[error("{0:?} never comes: no date meets it")]
    Never(String),
}

impl Schedule {
    /// Reads a pattern and the zone it is meant in.
    pub fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let tz = Self::zone_of(zone)?;
        let bad = |why: String| ScheduleError::Pattern { text: text.to_string(), why };
        let fields = text.split_ascii_whitespace().count();
        if !text.trim_start().starts_with('@') && fields != 5 {
            return Err(bad(format!("{fields} fields, not minute, hour, day, month, weekday")));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text.trim()).map_err(|_| bad(wrong(text)))?;
        let this = Self { text: text.to_string(), zone: zone.to_string(), cron, tz };
        let first = this.after(JUDGED_FROM);
        if first.is_none_or(|at| at.0 - JUDGED_FROM.0 > JUDGED_FOR) {
            return Err(ScheduleError::Never(text.to_string()));
        }
        Ok(this)
    }

    /// Is there a time zone of this name, as in `Europe/Berlin` or `UTC`?
    pub fn check_zone(zone: &str) -> Result<(), ScheduleError> {
        Self::zone_of(zone).map(|_| ())
    }

    fn zone_of(zone: &str) -> Result<TimeZone, ScheduleError> {
        let unknown = || ScheduleError::Zone(zone.to_string());
        // A fixed offset or the machine's own zone is no name in the database.
        if zone.is_empty() || zone.trim() != zone {
            return Err(unknown());
        }
        TimeZone::get(zone).map_err(|_| unknown())
    }

    /// The first time after `at` at which it is due; none where the calendar ends.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let from = jiff::Timestamp::from_microsecond(at.0).ok()?.to_zoned(self.tz.clone());
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        let next = Timestamp(next.timestamp().as_microsecond());
        // Never the same one again, whatever is found: whoever asks goes on from the answer.
        (next > at).then_some(next)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The zone's name.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// In words: `At 03:00, only on Monday`.
    pub fn words(&self) -> String {
        self.cron.describe()
    }

    /// A time as clocks in its zone show it: `2026-03-29 03:00 CEST`.
    pub fn local(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_microsecond(at.0) {
            Ok(at) => at.to_zoned(self.tz.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
            Err(_) => at.to_string(),
        }
    }
}

/// A schedule's fields: what each is called, and from where to where its numbers go.
const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
];

/// What is wrong with a pattern that can't be read: the first field with a number that its name does not have.
fn wrong(text: &str) -> String {
    if text.trim_start().starts_with('@') {
        return format!("{} is none of @hourly, @daily, @weekly, @monthly, @yearly", text.trim());
    }
    for (field, (name, least, most)) in text.split_ascii_whitespace().zip(FIELDS) {
        for part in field.split([',', '-', '/']).filter(|part| !part.is_empty()) {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            let fits = part.parse::<u32>().is_ok_and(|n| (least..=most).contains(&n));
            if digits && !fits {
                return format!("{name} {part} is not within {least} to {most}");
            }
            let named = part.bytes().all(|b| b.is_ascii_alphabetic())
                && matches!(name, "month" | "weekday");
            if !digits && !named && part != "*" {
                return format!("{part:?} is no {name}");
            }
        }
    }
    "a field is neither a number, a list, a range, a step nor *".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect(text).as_microsecond())
    }

    fn dues(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(text, zone).expect(text);
        let mut now = at(from);
        (0..count)
            .map(|_| {
                now = schedule.after(now).expect("it goes on");
                now.to_string()
            })
            .collect()
    }

    #[test]
    fn a_time_that_does_not_exist_comes_right_after_the_gap_and_once() {
        let got = dues("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        // 02:30 on the 29th is skipped by the clocks, which go from 02:00 to 03:00 (01:00 in UTC).
        assert_eq!(got, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_time_that_happens_twice_comes_at_the_first() {
        let got = dues("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(got, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn what_repeats_by_itself_goes_with_the_clock() {
        let got = dues("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:29:00Z", 4);
        let both_hours = [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ];
        assert_eq!(got, both_hours);
        let got = dues("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", 3);
        assert_eq!(got, ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]);
    }

    #[test]
    fn what_is_none_is_told_apart() {
        for bad in ["", "* * * *", "* * * * * *", "61 * * * *", "0 24 * * *", "a b c d e"] {
            let found = Schedule::parse(bad, "UTC");
            assert!(matches!(found, Err(ScheduleError::Pattern { .. })), "{bad}: {found:?}");
        }
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            let found = Schedule::parse(never, "UTC");
            assert!(matches!(found, Err(ScheduleError::Never(_))), "{never}: {found:?}");
        }
        for nowhere in ["Europe/Atlantis", "", " UTC", "../etc/passwd", "+02:00"] {
            let found = Schedule::parse("0 0 * * *", nowhere);
            assert!(matches!(found, Err(ScheduleError::Zone(_))), "{nowhere}: {found:?}");
        }
        assert!(Schedule::parse("0 0 29 2 *", "UTC").is_ok(), "rare, but it comes");
        assert!(Schedule::parse("@daily", "Asia/Kathmandu").is_ok());
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (bad, why) in [
            ("61 * * * *", "minute 61 is not within 0 to 59"),
            ("0 24 * * *", "hour 24 is not within 0 to 23"),
            ("0 0 1-32 * *", "day of the month 32 is not within 1 to 31"),
            ("0 0 * 13 *", "month 13 is not within 1 to 12"),
            ("a b c d e", "\"a\" is no minute"),
            ("@nightly", "@nightly is none of @hourly"),
            ("* * * * * *", "6 fields, not minute, hour"),
        ] {
            let said = Schedule::parse(bad, "UTC").unwrap_err().to_string();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn every_zone_and_pattern_goes_forward() {
        let zones =
            ["America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"];
        for zone in zones {
            for text in ["*/7 * * * *", "15 2 * * *", "0 0 1 * *", "59 23 * * 0"] {
                let schedule = Schedule::parse(text, zone).expect(text);
                let mut now = at("2026-01-01T00:00:30.5Z");
                for _ in 0..3_000 {
                    let next = schedule.after(now).expect("it goes on");
                    assert!(next > now, "{text} in {zone} after {now}: {next}");
                    now = next;
                }
            }
        }
    }
}
