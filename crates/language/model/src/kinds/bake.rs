//! How long a new release is watched once it serves, and what counts as worse than before: part of an `Environment`.

use super::environment::Tier;
use crate::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tow_names::Duration;

/// The longest window.
const LONGEST: Duration = Duration::from_secs(30);

/// How a release is watched. What is left out follows from the tier: nothing is watched in development and preview, half
/// a minute in staging, two minutes in production.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baking {
    /// Nothing is watched, whatever else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<bool>,
    /// For how long after the switch what was before stays warm, and the new one is compared with it.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// What is compared: the last so much time, moved on every second; 5 seconds where nothing is said, 30 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// A window with fewer requests says nothing about errors, nor one with less than five times as many about times; 20
    /// where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: Option<u32>,
    /// Of a hundred requests so many may fail, if not twice as many failed before; 5 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub errors: Option<u32>,
    /// How many times as long as before answers may take, by the time within which 95 of a hundred came; 3 where nothing
    /// is said. Less than a tenth of a second more is nothing. Judged by two windows that follow each other, each with
    /// five times `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    pub latency: Option<u32>,
}

/// With nothing left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// For how long.
    pub time: Duration,
    /// What is compared.
    pub window: Duration,
    /// Fewer say nothing.
    pub requests: u64,
    /// Of a hundred.
    pub errors: u64,
    /// How many times as long.
    pub latency: u64,
}

impl Watched {
    /// How a release is watched in such an environment; none: it is not.
    pub fn of(tier: Tier, said: Option<&Baking>) -> Option<Self> {
        let said = said.cloned().unwrap_or_default();
        let time = said.time.or(match tier {
            Tier::Development | Tier::Preview => None,
            Tier::Staging => Some(Duration::from_secs(30)),
            Tier::Production => Some(Duration::from_secs(120)),
        })?;
        let numbers = Self::numbers(&said);
        (said.off != Some(true) && time > Duration::ZERO).then_some(Self { time, ..numbers })
    }

    /// How the steps of a canary are judged, whether or not a release is watched afterwards.
    pub fn numbers(said: &Baking) -> Self {
        Self {
            time: Duration::ZERO,
            window: said.window.unwrap_or(Duration::from_secs(5)).min(LONGEST),
            requests: u64::from(said.requests.unwrap_or(20)),
            errors: u64::from(said.errors.unwrap_or(5)),
            latency: u64::from(said.latency.unwrap_or(3)),
        }
    }
}

/// The broken rules of an environment's `bake`.
pub(super) fn check(bake: &Value, out: &mut Vec<Invalid>) {
    let time = |key: &str| bake[key].as_str().and_then(|text| text.parse::<Duration>().ok());
    let mut wrong = |key: &str, message: String, expected: &str| {
        out.push(Invalid::new(format!("/spec/bake/{key}"), "environment/bake", message, expected));
    };
    let window = time("window");
    if let Some(window) = window.filter(|w| *w < Duration::from_secs(2) || *w > LONGEST) {
        wrong("window", format!("{window} can't be compared"), "between 2s and 30s");
    }
    if let Some(time) = time("for")
        && time < window.unwrap_or(Duration::from_secs(5))
        && bake["off"] != true
    {
        wrong("for", format!("{time} is less than one window"), "at least as long as window");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_window_fits_into_the_time() {
        for (said, expected) in [
            (json!({}), vec![]),
            (json!({"for": "30s", "window": "5s"}), vec![]),
            (json!({"for": "3s"}), vec!["/spec/bake/for"]),
            (json!({"for": "3s", "window": "2s"}), vec![]),
            (json!({"window": "1s"}), vec!["/spec/bake/window"]),
            (json!({"window": "1m"}), vec!["/spec/bake/window"]),
            (json!({"for": "0s", "off": true}), vec![]),
        ] {
            let mut out = Vec::new();
            check(&said, &mut out);
            let found: Vec<String> = out.into_iter().map(|invalid| invalid.pointer).collect();
            assert_eq!(found, expected, "{said}");
        }
    }

    #[test]
    fn the_tier_says_whether_it_is_watched_and_may_be_told_otherwise() {
        let of = |tier, said: Value| {
            let said: Baking = serde_json::from_value(said).unwrap_or_default();
            Watched::of(tier, Some(&said)).map(|watched| watched.time.to_string())
        };
        assert_eq!(of(Tier::Development, json!({})), None);
        assert_eq!(of(Tier::Preview, json!({"window": "5s"})), None);
        assert_eq!(of(Tier::Development, json!({"for": "10s"})).as_deref(), Some("10s"));
        assert_eq!(of(Tier::Staging, json!({})).as_deref(), Some("30s"));
        assert_eq!(of(Tier::Production, json!({})).as_deref(), Some("2m"));
        assert_eq!(of(Tier::Production, json!({"off": true})), None);
    }
}
